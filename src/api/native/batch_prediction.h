// The kind of job that predicts all rows of a file. See docs/jobs.md.
#pragma once
#include <array>
#include <optional>
#include <string>

#include "base/clock.h"
#include "custody/custody.h"
#include "jobs/kinds.h"
#include "json/describe.h"
#include "models/serving.h"
#include "objects/objects.h"

namespace corbel::native {

inline constexpr std::string_view kBatchPrediction = "batch-prediction";
inline constexpr std::string_view kBatchInput = "input";        // files of the job
inline constexpr std::string_view kBatchOutput = "output";      // one JSON object a line
inline constexpr std::string_view kBatchRejected = "rejected";  // likewise, with what is wrong

// What such a job was asked for. The version is fixed when it is asked, so that every attempt
// predicts with the same.
struct BatchPredictionInput {
  std::string model;  // id
  std::string modelName;
  int version = 0;
  std::string format;
  bool includeConfidence = true;
  bool includeFeatureImportance = false;
};
BOOST_DESCRIBE_STRUCT(BatchPredictionInput, (),
                      (model, modelName, version, format, includeConfidence,
                       includeFeatureImportance))

struct BatchPredictionResult {
  std::int64_t rows = 0;
  std::int64_t predicted = 0;
  std::int64_t rejected = 0;
};
BOOST_DESCRIBE_STRUCT(BatchPredictionResult, (), (rows, predicted, rejected))

// Everything must outlive the kind's jobs.
struct BatchPredictionParts {
  models::Serving& serving;
  objects::ObjectStore& objects;
  const custody::Custody& custody;
  const Clock& clock;
};

// A row that the model refuses goes to the file of rejected rows; the others go on. unprocessable:
// the file cannot be read as rows.
jobs::Kind batchPrediction(const BatchPredictionParts& parts);

}  // namespace corbel::native

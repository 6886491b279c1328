// The kind of job that looks whether the files of all versions are still what they were, and still
// open: bits rot, and engines change.
#pragma once
#include "base/clock.h"
#include "jobs/kinds.h"
#include "models/intake.h"
#include "models/registry.h"
#include "objects/objects.h"

namespace corbel::models {

inline constexpr std::string_view kModelValidation = "model-validation";

// Everything must outlive the kind's jobs.
struct ModelValidationParts {
  const Registry& registry;
  objects::ObjectStore& objects;
  ArtifactIntake::Inspect inspect;
  const Clock& clock;
};

// Input: {"model": <id or name>}, or {} for all models of the tenant. Result: {"versions": how
// many, "damaged": [{"model", "version", "reason"}]}; the job succeeds though some are damaged.
jobs::Kind modelValidation(const ModelValidationParts& parts);

}  // namespace corbel::models

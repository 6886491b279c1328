#include "native/batch_prediction.h"

#include <fmt/format.h>

#include <condition_variable>
#include <memory>
#include <span>
#include <stop_token>
#include <utility>

#include "base/mutex.h"
#include "json/decode.h"
#include "json/encode.h"
#include "models/predicting.h"
#include "native/predict_input.h"
#include "native/prediction_text.h"
#include "native/row_reader.h"

namespace corbel::native {
namespace {

constexpr std::string_view kLinesType = "application/x-ndjson";
constexpr std::size_t kBlockBytes = std::size_t{64} * 1024;
constexpr std::int64_t kRowsBetweenReports = 256;
constexpr std::chrono::seconds kOfOneRow{30};
constexpr std::chrono::minutes kCommit{2};
// The end of a job is written again and again while the store does not take it.
constexpr std::chrono::hours kHold{24 * 7};

std::unexpected<Error> stopped() { return fail(ErrorCode::aborted, "The job was stopped."); }

// A file of lines on its way into the object store.
class Lines {
 public:
  static Result<Lines> begin(objects::ObjectStore& objects) {
    CORBEL_TRY(auto writer, objects.begin());
    return Lines(std::move(writer));
  }
  Result<void> add(std::string_view line) {
    block_.append(line).append("\n");
    return block_.size() < kBlockBytes ? Result<void>() : flush();
  }
  Result<jobs::JobFile> finish(std::string_view name, const custody::Custody& custody,
                               Deadline deadline) {
    CORBEL_CHECK(flush());
    CORBEL_TRY(custody::KeptObject object, custody.commit(*writer_, kHold, deadline));
    return jobs::JobFile{.name = std::string(name),
                         .sha256 = object.info.digest.hex(),
                         .sizeBytes = object.info.sizeBytes,
                         .contentType = std::string(kLinesType),
                         .hold = std::make_shared<custody::Hold>(std::move(object.hold))};
  }

 private:
  explicit Lines(std::unique_ptr<objects::ObjectWriter> writer) : writer_(std::move(writer)) {}
  Result<void> flush() {
    CORBEL_CHECK(writer_->append(std::as_bytes(std::span(block_))));
    block_.clear();
    return {};
  }
  std::unique_ptr<objects::ObjectWriter> writer_;
  std::string block_;
};

// Somebody else loads the version that a job waits for.
struct Turn {
  Mutex mutex;
  std::condition_variable come;
  bool isMine CORBEL_GUARDED_BY(mutex) = false;

  void give() {
    const MutexLock lock(mutex);
    isMine = true;
    come.notify_all();
  }
  void await(Deadline deadline, const Clock& clock) {
    MutexLock lock(mutex);
    while (!isMine && waitUntil(lock, come, deadline, clock)) {
    }
  }
};

std::string rejection(std::int64_t row, const Error& error) {
  std::string line;
  json::Writer writer(line);
  writer.beginObject();
  writer.field("row", row);
  writer.field("code", name(error.code));
  writer.field("message", error.message);
  writer.key("errors");
  writer.beginArray();
  for (const FieldError& field : error.fields) {
    writer.beginObject();
    writer.field("pointer", field.pointer);
    writer.field("message", field.message);
    writer.endObject();
  }
  writer.endArray();
  writer.endObject();
  return line;
}

// The input's fault, and not that of a model that has no memory or time.
bool isOfTheRow(const Error& error) {
  return error.code == ErrorCode::invalidArgument || error.code == ErrorCode::unprocessable;
}

class Batch {
 public:
  Batch(const BatchPredictionParts& parts, jobs::Context& context, BatchPredictionInput input)
      : parts_(parts), context_(context), input_(std::move(input)) {}

  Result<std::string> run() {
    CORBEL_TRY(served_, load());
    CORBEL_TRY(const auto file, openInput());
    const auto format = parseRowFormat(input_.format);
    if (!format) return fail(ErrorCode::unprocessable, "The format of the rows is not known.");
    CORBEL_TRY(auto rows, openRows(file, *format, served_->plan));
    CORBEL_TRY(auto output, Lines::begin(parts_.objects));
    CORBEL_TRY(auto rejected, Lines::begin(parts_.objects));
    for (;;) {
      CORBEL_TRY(const auto row, rows->next());
      if (!row) break;
      if (context_.stopped()) return stopped();
      CORBEL_CHECK(take(*row, output, rejected));
      if (result_.rows % kRowsBetweenReports == 0) report(rows->position());
    }
    report(1);
    const Deadline deadline = context_.deadline().earlier(Deadline::after(parts_.clock, kCommit));
    CORBEL_TRY(auto outputFile, output.finish(kBatchOutput, parts_.custody, deadline));
    CORBEL_TRY(auto rejectedFile, rejected.finish(kBatchRejected, parts_.custody, deadline));
    context_.attach(std::move(outputFile));
    context_.attach(std::move(rejectedFile));
    return json::encode(result_);
  }

 private:
  Result<models::Serving::Handle> load() {
    const models::Scope scope{context_.job().tenant, context_.job().createdBy, context_.deadline()};
    const models::VersionRef which{.number = input_.version, .alias = {}};
    while (!context_.stopped()) {
      if (auto found = parts_.serving.find(scope.tenant, input_.model, which)) return found;
      const auto turn = std::make_shared<Turn>();
      const std::stop_callback onStop(context_.stop(), [turn] { turn->give(); });
      CORBEL_TRY(auto loaded,
                 parts_.serving.load(scope, input_.model, which, [turn] { turn->give(); }));
      if (loaded) return loaded;
      turn->await(scope.deadline, parts_.clock);
    }
    return stopped();
  }

  Result<objects::ObjectFile> openInput() const {
    for (const jobs::JobFile& file : context_.job().files) {
      if (file.name != kBatchInput) continue;
      CORBEL_TRY(const auto digest, objects::Digest::parse(file.sha256));
      return parts_.objects.open(digest, context_.deadline());
    }
    return fail(ErrorCode::notFound, "The job has no file of rows.");
  }

  Result<void> take(std::string_view row, Lines& output, Lines& rejected) {
    ++result_.rows;
    auto line = predict(row);
    if (line) {
      ++result_.predicted;
      return output.add(*line);
    }
    if (!isOfTheRow(line.error())) return std::unexpected(std::move(line).error());
    ++result_.rejected;
    return rejected.add(rejection(result_.rows, line.error()));
  }

  Result<std::string> predict(std::string_view row) {
    CORBEL_TRY(const auto input, readInput(served_->plan, served_->engine->signature(), row));
    const auto importance =
        input_.includeFeatureImportance ? models::Importance::yes : models::Importance::no;
    const Deadline deadline = context_.deadline().earlier(Deadline::after(parts_.clock, kOfOneRow));
    CORBEL_TRY(const auto result,
               models::predict(*served_, input, importance, deadline, parts_.clock));
    served_->metrics->answered.add();
    served_->metrics->inferenceDuration.observe(result.inference);
    const auto confidence = input_.includeConfidence ? Confidence::yes : Confidence::no;
    return fmt::format(R"({{"row":{},{}}})", result_.rows,
                       resultMembers(*served_, result, confidence));
  }

  void report(double position) {
    context_.progress(position, "predicting",
                      fmt::format("{} rows, {} of them rejected", result_.rows, result_.rejected));
  }

  const BatchPredictionParts& parts_;
  jobs::Context& context_;
  const BatchPredictionInput input_;
  models::Serving::Handle served_;
  BatchPredictionResult result_;
};

}  // namespace

jobs::Kind batchPrediction(const BatchPredictionParts& parts) {
  return {.name = kBatchPrediction,
          .doc = "Predicts all rows of a file: POST /models/{model}/prediction-jobs.",
          .start = jobs::Start::byRoute,
          .attemptsMax = 3,
          .deadline = std::chrono::hours(6),
          .run = [parts](jobs::Context& context) -> Result<std::string> {
            CORBEL_TRY(auto input, json::decode<BatchPredictionInput>(context.job().input));
            return Batch(parts, context, std::move(input)).run();
          }};
}

}  // namespace corbel::native

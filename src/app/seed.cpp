#include "app/seed.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "app/database.h"
#include "app/inspection.h"
#include "app/object_store.h"
#include "app/onnx_library.h"
#include "app/seed_files.h"
#include "jobs/personal_jobs.h"
#include "jobs/schedules.h"
#include "json/encode.h"
#include "models/intake.h"
#include "models/model_validation.h"
#include "models/registry.h"
#include "models/removal.h"
#include "native/batch_prediction.h"

namespace corbel::app {
namespace {

constexpr std::chrono::minutes kHold{10};
constexpr std::string_view kTenant = identity::kDefaultTenant;
constexpr std::string_view kRows = "size,age\n120,12\n80,40\n200,3\n64,25\nlarge,3\n";

struct DemoModel {
  std::string_view name;
  std::string_view description;
  std::string_view category;
  std::string_view file;
  std::string_view outputSchema;
  int versions = 1;
};

const std::vector<DemoModel>& demoModels() {
  static const std::vector<DemoModel> kModels = {
      {"house-prices", "What a house costs, in thousands, by size (square metres) and age (years).",
       "regression", kHousePrices, R"({"type":"number"})", 2},
      {"machine-failure",
       "Whether a machine fails within a week, by temperature, vibration and hours since service.",
       "classification", kMachineFailure, R"({"type":"string","enum":["fine","fails"]})"}};
  return kModels;
}

// What features need to work without a server.
class Workshop {
 public:
  static Result<std::unique_ptr<Workshop>> open(const config::Settings& settings) {
    auto opened = std::unique_ptr<Workshop>(new Workshop(settings));
    CORBEL_TRY(opened->installation_, openInstallation(settings));
    CORBEL_TRY(opened->objects_, openObjectStore(settings, opened->installation_->clock));
    opened->build();
    return opened;
  }

  Result<SeedReport> seed() {
    SeedReport report;
    for (const DemoModel& model : demoModels()) CORBEL_CHECK(add(model, report));
    CORBEL_CHECK(addJobs(report));
    return report;
  }

  Result<SeedReport> unseed() {
    SeedReport report;
    const personal::Person demo{.tenant = std::string(kTenant),
                                .principal = std::string(kDemoPrincipal),
                                .until = installation_->clock.now(),
                                .pseudonym = "erased:demo"};
    const auto schedules = jobs::personalSchedules(*installation_->database);
    CORBEL_TRY(const auto goneSchedules, schedules.erase(demo, soon()));
    report.schedules = static_cast<int>(goneSchedules.count);
    CORBEL_CHECK(removeJobs(demo, report));
    CORBEL_TRY(auto removed, models::removeMadeBy(*installation_->database, *custody_, kTenant,
                                                  kDemoPrincipal, soon()));
    CORBEL_CHECK(clean(soon()));
    report.models = std::move(removed.models);
    report.kept = std::move(removed.kept);
    return report;
  }

  // What stands in the way; empty: nothing.
  Result<std::string> others() {
    models::ModelQuery query;
    query.limit = 1;
    CORBEL_TRY(const auto models, registry_->list(scope(), query));
    if (!models.empty()) return "the model " + models.front().name;
    CORBEL_TRY(const auto schedules, schedules_->list(kTenant, soon()));
    return schedules.empty() ? "" : "the schedule " + schedules.front().name;
  }

  Result<bool> isSeeded() {
    CORBEL_TRY(const auto schedules, schedules_->list(kTenant, soon()));
    if (std::ranges::find(schedules, kDemoPrincipal, &jobs::Schedule::createdBy) !=
        schedules.end()) {
      return true;
    }
    return models::hasMade(*installation_->database, kTenant, kDemoPrincipal, soon());
  }

 private:
  explicit Workshop(const config::Settings& settings) : settings_(settings) {}

  Deadline soon() const { return startDeadline(installation_->clock); }
  models::Scope scope() const { return {kTenant, kDemoPrincipal, soon()}; }

  void build() {
    const Clock& clock = installation_->clock;
    auto& database = *installation_->database;
    registry_ = std::make_unique<models::Registry>(database, installation_->ids, clock,
                                                   installation_->outbox.get());
    const auto inspect = [this](const objects::ObjectFile& file, Deadline deadline) {
      return inspectInChild(file, onnxRuntimeLibrary(settings_.inference), deadline,
                            installation_->clock);
    };
    custody_ = openCustody(*installation_, *objects_);
    intake_ = std::make_unique<models::ArtifactIntake>(
        *registry_, *objects_, *custody_, inspect, clock,
        static_cast<std::int64_t>(settings_.memory.limit.count));
    // To be queued; the server knows how they are run.
    for (const std::string_view kind : {native::kBatchPrediction, models::kModelValidation})
      kinds_.add({.name = kind, .doc = {}, .check = {}, .run = {}});
    queue_ =
        std::make_unique<jobs::Queue>(jobs::Queue::Parts{database, kinds_, installation_->ids,
                                                         clock, installation_->outbox.get()},
                                      jobs::Bounds{settings_.jobs.tenantMax, settings_.jobs.max});
    schedules_ = std::make_unique<jobs::Schedules>(
        jobs::Schedules::Parts{database, *queue_, kinds_, installation_->ids});
  }

  Result<void> add(const DemoModel& model, SeedReport& report) {
    models::NewModel fresh;
    fresh.name = model.name;
    fresh.description = model.description;
    fresh.framework = models::Framework::xgboost;
    fresh.category = model.category;
    fresh.outputSchema = model.outputSchema;
    fresh.tags = {"demo"};
    fresh.card = "Made by `corbel seed`; `corbel seed --remove` takes it out again.";
    CORBEL_CHECK(registry_->create(scope(), std::move(fresh), {}));
    report.models.emplace_back(model.name);
    for (int i = 0; i < model.versions; ++i) {
      CORBEL_TRY(auto writer, intake_->begin(scope(), model.name, {}));
      CORBEL_CHECK(writer->append(std::as_bytes(std::span(model.file))));
      models::NewVersion version;
      version.source = "corbel seed";
      version.notes =
          i == 0 ? "The first one." : "The same file once more, to compare and to move aliases.";
      CORBEL_CHECK(intake_->finish(scope(), model.name, *writer, std::move(version), {}));
      ++report.versions;
    }
    return {};
  }

  Result<void> addJobs(SeedReport& report) {
    CORBEL_TRY(const auto houses, registry_->find(scope(), "house-prices"));
    CORBEL_TRY(auto writer, objects_->begin());
    CORBEL_CHECK(writer->append(std::as_bytes(std::span(kRows))));
    CORBEL_TRY(const auto rows, custody_->commit(*writer, kHold, soon()));
    const native::BatchPredictionInput input{
        .model = houses.id, .modelName = houses.name, .version = 1, .format = "csv"};
    const jobs::JobFile file{std::string(native::kBatchInput), rows.info.digest.hex(),
                             rows.info.sizeBytes, "text/csv"};
    CORBEL_CHECK(queue_->add({.tenant = kTenant,
                              .kind = native::kBatchPrediction,
                              .input = json::encode(input),
                              .createdBy = kDemoPrincipal,
                              .files = {file}},
                             soon()));
    CORBEL_CHECK(queue_->add(
        {.tenant = kTenant, .kind = models::kModelValidation, .createdBy = kDemoPrincipal},
        soon()));
    report.jobs = 2;
    CORBEL_CHECK(schedules_->create(kTenant,
                                    {.name = "demo-nightly-validation",
                                     .kind = std::string(models::kModelValidation),
                                     .cron = "30 2 * * *"},
                                    kDemoPrincipal, soon()));
    report.schedules = 1;
    return {};
  }

  Result<void> removeJobs(const personal::Person& demo, SeedReport& report) {
    const auto place = jobs::personalJobs(
        {.database = *installation_->database,
         .queue = *queue_,
         .readFile = {},
         .letGo = [this](store::Transaction& tx,
                         const jobs::JobFile& file) { return custody_->letGo(tx, file.sha256); },
         .clean = [this](Deadline deadline) { return clean(deadline); },
         .keptKind = "none"});
    for (bool again = true; again;) {
      CORBEL_TRY(const auto erased, place.erase(demo, soon()));
      report.jobs += static_cast<int>(erased.count);
      if (erased.again && erased.count == 0) {
        return fail(ErrorCode::failedPrecondition,
                    "A job of the demo data was running when the server stopped. Try again in half "
                    "a minute.");
      }
      again = erased.again;
    }
    return {};
  }

  Result<void> clean(Deadline deadline) {
    CORBEL_CHECK(custody_->sweep(deadline));
    return {};
  }

  const config::Settings& settings_;
  std::unique_ptr<Installation> installation_;
  std::unique_ptr<objects::ObjectStore> objects_;
  std::unique_ptr<models::Registry> registry_;
  std::unique_ptr<custody::Custody> custody_;
  std::unique_ptr<models::ArtifactIntake> intake_;
  jobs::Kinds kinds_;
  std::unique_ptr<jobs::Queue> queue_;
  std::unique_ptr<jobs::Schedules> schedules_;
};

}  // namespace

Result<SeedReport> seed(const config::Settings& settings, BesideOthers beside) {
  CORBEL_TRY(const auto workshop, Workshop::open(settings));
  CORBEL_TRY(const bool seeded, workshop->isSeeded());
  if (seeded) {
    return fail(ErrorCode::alreadyExists,
                "Demo data is there already; `corbel seed --remove` takes it out.");
  }
  CORBEL_TRY(const std::string other, workshop->others());
  if (!other.empty() && beside == BesideOthers::no) {
    return fail(ErrorCode::failedPrecondition,
                "The installation is not empty: it has " + other +
                    ". Add --force to put demo data beside it; `corbel seed --remove` takes out "
                    "the demo data alone.");
  }
  return workshop->seed();
}

Result<SeedReport> unseed(const config::Settings& settings) {
  CORBEL_TRY(const auto workshop, Workshop::open(settings));
  return workshop->unseed();
}

}  // namespace corbel::app

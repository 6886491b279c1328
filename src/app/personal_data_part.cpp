#include "app/personal_data_part.h"

#include <array>
#include <filesystem>
#include <span>

#include "audit/personal_lines.h"
#include "cache/personal_cache.h"
#include "events/personal_events.h"
#include "idempotency/idempotency.h"
#include "identity/personal_keys.h"
#include "identity/personal_users.h"
#include "jobs/personal_jobs.h"
#include "models/personal_models.h"
#include "telemetry/log.h"

namespace corbel::app {
namespace {

constexpr std::chrono::minutes kCatchingUp{30};
constexpr std::size_t kPiece = std::size_t{192} * 1024;

// A new table stands here or with a place: tests/service/personal_data_test.py.
constexpr std::array kTablesWithoutPeople = {
    personal::TableWithoutPeople{"schema_migrations", "Which migrations were applied."},
    personal::TableWithoutPeople{"tenants", "Names and quotas of tenants."},
    personal::TableWithoutPeople{"roles", "Permissions of roles."},
    personal::TableWithoutPeople{"data_keys", "Sealed keys."},
    personal::TableWithoutPeople{"setup_links", "The link of the first start."},
    personal::TableWithoutPeople{"installation_secrets", "Sealed keys."},
    personal::TableWithoutPeople{"ml_models",
                                 "Models belong to the tenant, and do not say who made them."},
    personal::TableWithoutPeople{"model_aliases", "Which version an alias names."},
    personal::TableWithoutPeople{"event_totals", "Counts."},
    personal::TableWithoutPeople{"event_leases", "Which process delivers to which receiver."},
    personal::TableWithoutPeople{"object_holds", "Which files are about to be kept or removed."},
    personal::TableWithoutPeople{"event_deliveries", "Which event waits for which receiver."},
    personal::TableWithoutPeople{"audit_head", "The end of the chain."}};

Result<void> readFile(objects::ObjectStore& objects, const jobs::JobFile& file, Deadline deadline,
                      const jobs::PersonalJobsParts::Take& take) {
  CORBEL_TRY(const auto digest, objects::Digest::parse(file.sha256));
  CORBEL_TRY(const auto opened, objects.open(digest, deadline));
  std::vector<std::byte> piece(kPiece);
  for (std::int64_t at = 0; at < opened.sizeBytes();) {
    CORBEL_TRY(const std::size_t got, opened.read(at, piece));
    if (got == 0) return fail(ErrorCode::internal, "A file became shorter.");
    CORBEL_CHECK(take(std::span<const std::byte>(piece).first(got)));
    at += static_cast<std::int64_t>(got);
  }
  return {};
}

}  // namespace

std::vector<jobs::Kind> PersonalDataPart::kinds() {
  return privacy::personalDataJobs([this] { return personalData_.get(); });
}

// In the order in which they are erased: what can refuse goes first, and what sends events before
// the events.
std::vector<personal::Place> PersonalDataPart::places(const Parts& parts) {
  store::Database& database = *parts.installation.database;
  auto& objects = parts.objects;
  return {identity::personalUsers(database),
          identity::personalTokens(parts.tokens),
          identity::personalKeys(database, *parts.installation.keys),
          jobs::personalSchedules(database),
          jobs::personalJobs(
              {.database = database,
               .queue = parts.jobs.queue(),
               .readFile =
                   [&objects](const jobs::JobFile& file, Deadline deadline, const auto& take) {
                     return readFile(objects, file, deadline, take);
                   },
               .letGo = [&custody = parts.custody](
                            store::Transaction& tx,
                            const jobs::JobFile& file) { return custody.letGo(tx, file.sha256); },
               .clean = [&custody = parts.custody](Deadline deadline) -> Result<void> {
                 CORBEL_CHECK(custody.sweep(deadline));
                 return {};
               },
               .keptKind = privacy::kErasureJob}),
          models::personalModels(database),
          cache::personalCache(parts.cache),
          idempotency::personalAnswers(database),
          events::personalWebhooks(database),
          events::personalEvents(database),
          audit::personalLines(database)};
}

Result<void> PersonalDataPart::open(const Parts& parts) {
  const auto& installation = parts.installation;
  CORBEL_TRY(personalData_,
             privacy::PersonalData::open(
                 {.database = *installation.database,
                  .queue = parts.jobs.queue(),
                  .objects = parts.objects,
                  .vault = *installation.vault,
                  .audit = parts.audit,
                  .clock = installation.clock,
                  .places = places(parts),
                  .erasuresFile = std::filesystem::path(parts.settings.data.folder) / "erasures"},
                 startDeadline(installation.clock)));
  api_ = std::make_unique<native::PersonalDataApi>(*personalData_, kTablesWithoutPeople);
  return {};
}

Result<void> PersonalDataPart::catchUp() {
  const SystemClock clock;
  CORBEL_TRY(const int found, personalData_->catchUp(Deadline::after(clock, kCatchingUp)));
  if (found > 0) {
    log::info("app", "people who had been erased were in the database again, and are erased anew",
              {{"people", found}});
  }
  return {};
}

std::vector<http::Route> PersonalDataPart::mount() { return http::mount(*api_, "Personal data"); }

std::vector<http::Route> PersonalDataPart::describe() {
  return http::describe<native::PersonalDataApi>("Personal data");
}

Result<void> PersonalDataPart::removeExpired(Deadline deadline) {
  return personalData_->removeExpired(deadline);
}

}  // namespace corbel::app

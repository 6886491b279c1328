#include "app/database.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <thread>

#include "app/event_sinks.h"
#include "audit/audit_migrations.h"
#include "custody/custody.h"
#include "events/events_migrations.h"
#include "idempotency/idempotency.h"
#include "identity/migrations.h"
#include "jobs/jobs_migrations.h"
#include "models/models_migrations.h"
#include "privacy/privacy_migrations.h"
#include "secrets/secrets_migrations.h"
#include "telemetry/log.h"

namespace corbel::app {

std::string adminKeyFile(const config::Settings& settings) {
  return (std::filesystem::path(settings.data.folder) / "admin-key").string();
}

std::vector<store::Migration> allMigrations() {
  std::vector<store::Migration> all;
  for (const auto part : {identity::migrations(), models::migrations(), jobs::migrations(),
                          idempotency::migrations(), custody::migrations(), audit::migrations(),
                          secrets::migrations(), events::migrations(), privacy::migrations()})
    all.insert(all.end(), part.begin(), part.end());
  std::ranges::sort(all, {}, &store::Migration::version);
  return all;
}

namespace {

// The database makes its own folder; with store.url that is another one.
Result<void> makeDataFolder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::create_directories(folder, error)) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  if (!error) return {};
  return fail(ErrorCode::permissionDenied,
              "data folder " + folder.string() + " cannot be created: " + error.message());
}

bool isStopAsked() {
  sigset_t pending;
  return sigpending(&pending) == 0 &&
         (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

}  // namespace

Result<std::unique_ptr<store::Database>> openDatabase(const config::Settings& settings,
                                                      const Clock& clock,
                                                      const resilience::DependencyParts* guard) {
  if (Secret url = config::postgresUrl(settings); !url.empty()) {
    store::PostgresOptions options{.url = std::move(url), .schema = settings.store.schema};
    options.connectionsMax = static_cast<int>(settings.store.connections);
    options.guard = guard;
    return store::openPostgres(options, clock);
  }
  const auto file = std::filesystem::absolute(config::databaseFile(settings));
  store::SqliteOptions options;
  options.dataFolder = file.parent_path();
  options.fileName = file.filename();
  return store::openSqlite(options, clock);
}

Result<std::unique_ptr<store::Database>> awaitDatabase(const config::Settings& settings,
                                                       const Clock& clock,
                                                       const resilience::DependencyParts* guard) {
  constexpr std::chrono::milliseconds kPause{250};
  constexpr std::chrono::seconds kBetweenWords{5};
  const auto wait = settings.store.startWait;
  const Deadline deadline = Deadline::after(clock, wait);
  const bool isServer = !config::postgresUrl(settings).empty();
  for (SteadyTime nextWord = clock.steady();; std::this_thread::sleep_for(kPause)) {
    auto opened = openDatabase(settings, clock, guard);
    const bool isAway = !opened && isServer && opened.error().code == ErrorCode::unavailable;
    if (!isAway || wait.count() == 0 || isStopAsked()) return opened;
    if (deadline.expired(clock)) {
      opened.error().message +=
          ", tried for " + std::to_string(wait.count()) + " ms (store.startWaitMs)";
      return opened;
    }
    if (clock.steady() < nextWord) continue;
    nextWord = clock.steady() + kBetweenWords;
    log::warn("app", "the database does not answer yet; it is tried again",
              {{"error", opened.error().message},
               {"detail", opened.error().detail},
               {"givenUpInMs", deadline.remaining(clock).count()}});
  }
}

Deadline startDeadline(const Clock& clock) {
  return Deadline::after(clock, std::chrono::seconds(30));
}

Result<std::unique_ptr<Installation>> openInstallation(const config::Settings& settings,
                                                       metrics::Metrics* metrics) {
  auto opened = std::make_unique<Installation>();
  CORBEL_CHECK(makeDataFolder(settings.data.folder));
  if (metrics != nullptr) {
    opened->guard.emplace(resilience::DependencyParts{opened->clock, opened->random, *metrics});
    CORBEL_TRY(opened->database, awaitDatabase(settings, opened->clock, &*opened->guard));
  } else {
    CORBEL_TRY(opened->database, openDatabase(settings, opened->clock));
  }
  CORBEL_CHECK(store::migrateUp(*opened->database, allMigrations(), opened->clock));
  const Deadline deadline = startDeadline(opened->clock);
  CORBEL_TRY(opened->vault,
             secrets::Vault::open({*opened->database, opened->random, opened->clock, opened->ids},
                                  {config::masterKeyFile(settings), settings.secrets.masterKey},
                                  deadline));
  CORBEL_TRY(opened->directory,
             identity::Directory::load(*opened->database, opened->clock, deadline));
  opened->outbox = std::make_unique<events::Outbox>(
      events::Outbox::Parts{*opened->database, opened->ids, opened->clock}, settings.events.source,
      eventSinkNames(settings), outboxBounds(settings.events));
  CORBEL_TRY(opened->keys,
             identity::ApiKeys::load({*opened->database, *opened->directory, opened->clock,
                                      opened->random, opened->ids, opened->outbox.get()},
                                     deadline));
  return opened;
}

}  // namespace corbel::app

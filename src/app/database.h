// Opening the installation's state: database, migrations, tenants and keys.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"
#include "base/result.h"
#include "config/settings.h"
#include "events/events.h"
#include "identity/api_keys.h"
#include "identity/directory.h"
#include "resilience/dependency.h"
#include "secrets/vault.h"
#include "store/migration.h"
#include "store/store.h"
#include "telemetry/metrics.h"

namespace corbel::app {

// Where the first key is kept until somebody moves it.
std::string adminKeyFile(const config::Settings& settings);

// Every table of the program, ascending.
std::vector<store::Migration> allMigrations();

// With `guard`, which must outlive it, a server is a dependency: see store::PostgresOptions.
Result<std::unique_ptr<store::Database>> openDatabase(
    const config::Settings& settings, const Clock& clock,
    const resilience::DependencyParts* guard = nullptr);

// The same, and waits for a server that does not answer yet: as long as store.startWaitMs says, and
// until SIGTERM or SIGINT, which are blocked, are pending.
Result<std::unique_ptr<store::Database>> awaitDatabase(
    const config::Settings& settings, const Clock& clock,
    const resilience::DependencyParts* guard = nullptr);

// What commands that change keys need; members are destroyed in reverse order.
struct Installation {
  SystemClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  std::optional<resilience::DependencyParts> guard;  // of the database; none: for a command
  std::unique_ptr<store::Database> database;
  std::unique_ptr<secrets::Vault> vault;
  std::unique_ptr<events::Outbox> outbox;
  std::unique_ptr<identity::Directory> directory;
  std::unique_ptr<identity::ApiKeys> keys;
};

// Opens the database, brings it up to date, and loads the keys of what is sealed in it and who may
// use it. With `metrics`, which must outlive it: for a process that serves, which waits for its
// database and asks it through a breaker.
Result<std::unique_ptr<Installation>> openInstallation(const config::Settings& settings,
                                                       metrics::Metrics* metrics = nullptr);

// For work at start, which nobody waits for with a stopwatch.
Deadline startDeadline(const Clock& clock);

}  // namespace corbel::app

// Opening the installation's state: database, migrations, tenants and keys.
#pragma once
#include <memory>
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
#include "secrets/vault.h"
#include "store/migration.h"
#include "store/store.h"

namespace corbel::app {

// Where the first key is kept until somebody moves it.
std::string adminKeyFile(const config::Settings& settings);

// Every table of the program, ascending.
std::vector<store::Migration> allMigrations();

Result<std::unique_ptr<store::Database>> openDatabase(const config::Settings& settings,
                                                      const Clock& clock);

// What commands that change keys need; members are destroyed in reverse order.
struct Installation {
  SystemClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  std::unique_ptr<store::Database> database;
  std::unique_ptr<secrets::Vault> vault;
  std::unique_ptr<events::Outbox> outbox;
  std::unique_ptr<identity::Directory> directory;
  std::unique_ptr<identity::ApiKeys> keys;
};

// Opens the database, brings it up to date, and loads the keys of what is sealed in it and who may
// use it.
Result<std::unique_ptr<Installation>> openInstallation(const config::Settings& settings);

// For work at start, which nobody waits for with a stopwatch.
Deadline startDeadline(const Clock& clock);

}  // namespace corbel::app

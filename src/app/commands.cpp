#include "app/commands.h"

#include <cstdio>
#include <string>
#include <utility>

#include "app/app.h"
#include "app/database.h"
#include "app/serve.h"
#include "app/version.h"
#include "base/timestamp.h"
#include "config/settings.h"
#include "json/encode.h"
#include "pages/api_document.h"

namespace corbel::app {
namespace {

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (!text.ends_with('\n')) std::fputc('\n', stdout);
}

int failed(const Error& error) {
  std::fprintf(stderr, "corbel: %s\n", error.message.c_str());
  return error.code == ErrorCode::internal ? kInternal : kConfiguration;
}

identity::Principal operatorIn(const std::string& tenant) { return identity::operatorOf(tenant); }

int migrate(const Migrate& command, const config::Settings& settings) {
  const SystemClock clock;
  auto database = openDatabase(settings, clock);
  if (!database) return failed(database.error());
  const auto migrations = allMigrations();
  const auto changed = command.downTo ? store::migrateDown(**database, migrations, *command.downTo)
                                      : store::migrateUp(**database, migrations, clock);
  if (!changed) return failed(changed.error());
  for (const int version : *changed) {
    std::printf("%s %d\n", command.downTo ? "took back" : "applied", version);
  }
  if (changed->empty()) std::printf("the database is up to date\n");
  return kOk;
}

int showConfig(const config::Configuration& configuration, Output output) {
  switch (output) {
    case Output::text:
      print(config::toTable(configuration));
      break;
    case Output::json:
      print(config::toJson(configuration));
      break;
    case Output::markdown:
      print(config::settingsDocument());
      break;
  }
  return kOk;
}

void printKey(const identity::MintedKey& minted, Output output) {
  const std::string key(minted.text.reveal());
  if (output != Output::json) return print(key);
  std::string json;
  json::Writer writer(json);
  writer.beginObject();
  writer.field("id", minted.key.id);
  writer.field("name", minted.key.name);
  writer.field("tenant", minted.key.tenant);
  writer.field("key", key);
  writer.endObject();
  print(json);
}

int makeKey(const MakeKey& command, const config::Settings& settings, Output output) {
  auto installation = openInstallation(settings);
  if (!installation) return failed(installation.error());
  const auto by = operatorIn(command.tenant);
  const auto minted =
      (*installation)
          ->keys->create({.name = command.name, .role = command.role}, {by, by.memberships.front()},
                         startDeadline((*installation)->clock));
  if (!minted) return failed(minted.error());
  printKey(*minted, output);
  return kOk;
}

void writeKey(json::Writer& writer, const identity::ApiKey& key) {
  writer.beginObject();
  writer.field("id", key.id);
  writer.field("name", key.name);
  writer.field("prefix", key.prefix);
  writer.field("role", key.role);
  writer.field("createdAt", key.createdAt);
  writer.field("revoked", key.revokedAt.has_value());
  writer.endObject();
}

int listKeys(const ListKeys& command, const config::Settings& settings, Output output) {
  auto installation = openInstallation(settings);
  if (!installation) return failed(installation.error());
  const auto by = operatorIn(command.tenant);
  std::string json;
  json::Writer writer(json);
  writer.beginArray();
  std::string after;
  while (true) {
    const auto keys = (*installation)
                          ->keys->list({by, by.memberships.front()}, after, limits::kPageMax,
                                       startDeadline((*installation)->clock));
    if (!keys) return failed(keys.error());
    if (keys->empty()) break;
    for (const identity::ApiKey& key : *keys) {
      writeKey(writer, key);
      if (output == Output::json) continue;
      std::printf("%s  crb_%s_…  %-10s %s%s\n", key.id.c_str(), key.prefix.c_str(),
                  key.role.c_str(), key.name.c_str(), key.revokedAt ? "  (revoked)" : "");
    }
    after = keys->back().id;
  }
  writer.endArray();
  if (output == Output::json) print(json);
  return kOk;
}

int revokeKey(const RevokeKey& command, const config::Settings& settings) {
  auto installation = openInstallation(settings);
  if (!installation) return failed(installation.error());
  const auto by = operatorIn(command.tenant);
  const auto revoked = (*installation)
                           ->keys->revoke(command.id, {by, by.memberships.front()},
                                          startDeadline((*installation)->clock));
  if (!revoked) return failed(revoked.error());
  std::printf("revoked %s\n", command.id.c_str());
  return kOk;
}

int showVersion(Output output) {
  std::string json;
  json::Writer writer(json);
  writer.beginObject();
  writer.field("name", "corbel");
  writer.field("version", kVersion);
  writer.endObject();
  print(output == Output::json ? json : "corbel " + std::string(kVersion));
  return kOk;
}

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace

int run(const Invocation& invocation) {
  if (std::holds_alternative<ShowVersion>(invocation.command))
    return showVersion(invocation.common.output);
  if (std::holds_alternative<ShowOpenApi>(invocation.command)) {
    print(pages::apiDocument(describeApi(config::Settings{}), kVersion));
    return kOk;
  }
  const auto configuration = config::load({.file = invocation.common.configFile,
                                           .environment = config::processEnvironment(),
                                           .flags = invocation.common.settings});
  if (!configuration) return failed(configuration.error());
  const config::Settings& settings = configuration->settings;
  const Output output = invocation.common.output;
  return std::visit(
      Overloaded{[&](const Serve&) { return serve(*configuration); },
                 [&](const Migrate& command) { return migrate(command, settings); },
                 [&](const ShowConfig&) { return showConfig(*configuration, output); },
                 [&](const MakeKey& command) { return makeKey(command, settings, output); },
                 [&](const ListKeys& command) { return listKeys(command, settings, output); },
                 [&](const RevokeKey& command) { return revokeKey(command, settings); },
                 [&](const ShowOpenApi&) { return kOk; }, [&](const ShowVersion&) { return kOk; }},
      invocation.command);
}

}  // namespace corbel::app

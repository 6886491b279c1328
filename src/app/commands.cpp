#include "app/commands.h"

#include <cstdio>
#include <string>
#include <utility>

#include "app/app.h"
#include "app/database.h"
#include "app/maintenance.h"
#include "app/operator_act.h"
#include "app/serve.h"
#include "app/user_commands.h"
#include "app/version.h"
#include "audit/audit.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "config/settings.h"
#include "json/encode.h"
#include "pages/api_document.h"
#include "secrets/vault.h"

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

OperatorAct commandIn(const std::string& tenant, const std::string& command) {
  return {.tenant = tenant, .action = command, .remote = "command line"};
}

int migrate(const Migrate& command, const config::Settings& settings) {
  const SystemClock clock;
  auto database = awaitDatabase(settings, clock);
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
  const auto minted = asOperator(**installation, commandIn(command.tenant, "corbel key create"),
                                 [&](const identity::Actor& by) {
                                   return (*installation)
                                       ->keys->create({.name = command.name, .role = command.role},
                                                      by, startDeadline((*installation)->clock));
                                 });
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
  const auto revoked = asOperator(
      **installation, commandIn(command.tenant, "corbel key revoke"),
      [&](const identity::Actor& by) {
        return (*installation)->keys->revoke(command.id, by, startDeadline((*installation)->clock));
      });
  if (!revoked) return failed(revoked.error());
  std::printf("revoked %s\n", command.id.c_str());
  return kOk;
}

// The file first: a server that runs takes it from there; where none does, this seals anew.
int rotateMaster(const config::Settings& settings) {
  if (!settings.secrets.masterKey.empty()) {
    return failed({ErrorCode::failedPrecondition,
                   "The master key is the setting secrets.masterKey: put a new one (openssl rand "
                   "-hex 32) and a comma in front of it and restart; then take the old one out.",
                   {},
                   {}});
  }
  SystemRandom random;
  const auto id = secrets::rotateMasterKey(config::masterKeyFile(settings), random);
  if (!id) return failed(id.error());
  const auto installation = openInstallation(settings);
  if (installation) {
    std::printf("all secrets are sealed with the master key %s\n", id->c_str());
    return kOk;
  }
  if (installation.error().code != ErrorCode::unavailable) return failed(installation.error());
  std::printf("the server that runs seals all secrets with the master key %s in a second\n",
              id->c_str());
  return kOk;
}

Result<std::optional<audit::Anchor>> anchorOf(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto number = parseNumber<std::int64_t>(takeUntil(text, ':'));
  if (number && *number > 0 && text.size() == audit::kFirstHash.size())
    return audit::Anchor{.number = *number, .hash = std::string(text)};
  return fail(ErrorCode::invalidArgument,
              "--anchor: must be <number>:<hash>, as `corbel audit verify` prints them");
}

void printVerdict(const audit::Verdict& verdict, Output output) {
  if (output != Output::json) {
    if (verdict.broken) {
      std::printf("line %lld is wrong: %s\n", static_cast<long long>(verdict.broken->number),
                  verdict.broken->reason.c_str());
    }
    if (verdict.erased > 0) {
      std::printf("%lld lines have lost the name of who did it, as people were erased\n",
                  static_cast<long long>(verdict.erased));
    }
    std::printf("%lld lines are good; the last is %lld:%s\n", static_cast<long long>(verdict.lines),
                static_cast<long long>(verdict.head.number), verdict.head.hash.c_str());
    return;
  }
  std::string json;
  json::Writer writer(json);
  writer.beginObject();
  writer.field("intact", !verdict.broken);
  writer.field("lines", verdict.lines);
  writer.field("erasedLines", verdict.erased);
  writer.field("headNumber", verdict.head.number);
  writer.field("headHash", verdict.head.hash);
  if (verdict.broken) {
    writer.field("brokenNumber", verdict.broken->number);
    writer.field("reason", verdict.broken->reason);
  }
  writer.endObject();
  print(json);
}

int verifyAudit(const VerifyAudit& command, const config::Settings& settings, Output output) {
  const auto anchor = anchorOf(command.anchor);
  if (!anchor) return failed(anchor.error());
  const auto installation = openInstallation(settings);
  if (!installation) return failed(installation.error());
  const audit::AuditLog log(
      {*(*installation)->database, (*installation)->clock, (*installation)->random});
  const auto verdict = log.verify(*anchor, Deadline::never());
  if (!verdict) return failed(verdict.error());
  printVerdict(*verdict, output);
  return verdict->broken ? kInternal : kOk;
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
  if (!configuration && std::holds_alternative<Examine>(invocation.command))
    return showBadSettings(configuration.error(), invocation.common.output);
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
                 [&](const RotateMasterKey&) { return rotateMaster(settings); },
                 [&](const UserCommand& command) { return manageUsers(command, settings, output); },
                 [&](const VerifyAudit& command) { return verifyAudit(command, settings, output); },
                 [&](const BackUp& command) { return backUp(command, settings, output); },
                 [&](const Restore& command) { return restore(command, settings, output); },
                 [&](const Examine&) { return examine(*configuration, output); },
                 [&](const Seed& command) { return seed(command, settings, output); },
                 [&](const ShowOpenApi&) { return kOk; }, [&](const ShowVersion&) { return kOk; }},
      invocation.command);
}

}  // namespace corbel::app

#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <map>

#include "app/version.h"

namespace corbel::app {
namespace {

struct Flags {
  CommonOptions common;
  std::string config;
  std::vector<std::string> assignments;
  std::string output = "text";
  std::string roles;
  Migrate migrate;
  int downTo = -1;
  MakeKey make;
  ListKeys list;
  RevokeKey revoke;
  UserCommand user;
  VerifyAudit verifyAudit;
  BackUp backUp;
  Restore restore;
  Seed seed;
};

void addCommon(CLI::App& command, Flags& flags) {
  command.add_option("--config", flags.config, "TOML file with settings")->envname("CORBEL_CONFIG");
  command.add_option("--set", flags.assignments,
                     "A setting, e.g. --set server.port=8080 (also --server.port=8080)");
  command.add_option("--output", flags.output, "text, json, or for config also markdown")
      ->check(CLI::IsMember({"text", "json", "markdown"}));
  command.allow_extras();
}

CLI::App* addCommand(CLI::App& parent, Flags& flags, const std::string& name,
                     const std::string& doc, const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, doc);
  addCommon(*command, flags);
  command->footer("Examples:\n" + examples);
  return command;
}

struct KeyCommands {
  CLI::App* make;
  CLI::App* list;
  CLI::App* revoke;
  CLI::App* rotateMaster;
};

KeyCommands addKeyCommands(CLI::App& root, Flags& flags) {
  auto* key = root.add_subcommand(
      "key", "Make, list and revoke API keys (while the server is stopped); rotate the master key");
  key->require_subcommand(1);
  auto* make = addCommand(*key, flags, "create", "Make a key and print it once",
                          "  corbel key create --name \"checkout service\" --role service");
  make->add_option("--name", flags.make.name, "For people")->required();
  make->add_option("--role", flags.make.role,
                   "owner, admin, developer, viewer, service, or a role of the tenant");
  make->add_option("--tenant", flags.make.tenant, "Tenant of the key");
  auto* list = addCommand(*key, flags, "list", "List keys", "  corbel key list --output json");
  list->add_option("--tenant", flags.list.tenant, "Tenant of the keys");
  auto* revoke = addCommand(*key, flags, "revoke", "Revoke a key", "  corbel key revoke 019b…");
  revoke->add_option("id", flags.revoke.id, "Id of the key")->required();
  revoke->add_option("--tenant", flags.revoke.tenant, "Tenant of the key");

  auto* rotateMaster =
      addCommand(*key, flags, "rotate-master",
                 "Seal stored secrets with a new master key (also while the server runs)",
                 "  corbel key rotate-master");
  return {.make = make, .list = list, .revoke = revoke, .rotateMaster = rotateMaster};
}

void addUserCommands(CLI::App& root, Flags& flags) {
  using Verb = UserCommand::Verb;
  auto* user = root.add_subcommand(
      "user",
      "Make, list, disable and remove people who sign in (with a database in a file: while "
      "the server is stopped)");
  user->require_subcommand(1);
  const auto add = [&](Verb verb, const std::string& name, const std::string& doc,
                       const std::string& examples) {
    auto* command = addCommand(*user, flags, name, doc, examples);
    command->add_option("--tenant", flags.user.tenant, "Tenant of the user");
    if (verb != Verb::list)
      command->add_option("email", flags.user.email, "E-mail address of the user")->required();
    command->callback([&flags, verb] { flags.user.verb = verb; });
    return command;
  };
  constexpr const char* kPassword =
      "  The password is asked for, or read from a line of standard input.\n";
  auto* make =
      add(Verb::add, "add", "Make a user",
          std::string(kPassword) +
              "  corbel user add ada@example.com --role owner\n"
              "  corbel user add ada@example.com --role viewer --tenant acme <password.txt");
  make->add_option("--name", flags.user.name, "For people; absent: the address");
  make->add_option("--role", flags.user.roles,
                   "owner, admin, developer, viewer, service, or a role of the tenant; repeatable");
  add(Verb::list, "list", "List users", "  corbel user list --output json");
  add(Verb::disable, "disable", "Keep a user from signing in, and sign him out",
      "  corbel user disable ada@example.com");
  add(Verb::enable, "enable", "Let a disabled user sign in again",
      "  corbel user enable ada@example.com");
  add(Verb::password, "password", "Set a user's password, and sign him out",
      std::string(kPassword) + "  corbel user password ada@example.com");
  add(Verb::remove, "remove", "Remove a user from the tenant",
      "  corbel user remove ada@example.com");
}

CLI::App* addAuditCommand(CLI::App& root, Flags& flags) {
  auto* audit = root.add_subcommand("audit", "The audit log (while the server is stopped)");
  audit->require_subcommand(1);
  auto* verifyAudit =
      addCommand(*audit, flags, "verify", "Check that no line was changed, removed or inserted",
                 "  corbel audit verify\n  corbel audit verify --anchor 5120:9f86d08188…");
  verifyAudit->add_option("--anchor", flags.verifyAudit.anchor,
                          "Number and hash of a line, as written down elsewhere");
  return verifyAudit;
}

Output outputOf(const std::string& word) {
  if (word == "json") return Output::json;
  return word == "markdown" ? Output::markdown : Output::text;
}

// "name=value" into its parts. False: there is no '='.
bool addAssignment(CommonOptions& common, std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  common.settings.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  return true;
}

// Of an installation that is there: what keeps it safe and finds its ills.
struct CareCommands {
  const CLI::App* backUp;
  const CLI::App* restore;
  const CLI::App* doctor;
};

CareCommands addCareCommands(CLI::App& root, Flags& flags) {
  auto* backUp =
      addCommand(root, flags, "backup",
                 "Write database and model files to one file, also while the server runs",
                 "  corbel backup /backup/corbel-$(date +%F).tar");
  backUp->add_option("file", flags.backUp.file, "File to make")->required();
  auto* restore =
      addCommand(root, flags, "restore", "Put a backup in place (while the server is stopped)",
                 "  corbel restore /backup/corbel-2026-01-31.tar\n"
                 "  corbel restore /backup/corbel-2026-01-31.tar --force");
  restore->add_option("file", flags.restore.file, "File that backup made")->required();
  restore->add_flag("--force", flags.restore.force,
                    "Replace the database that is there; it is kept in a folder beside");
  const auto* doctor =
      addCommand(root, flags, "doctor", "Look for what is wrong, and say how to mend it",
                 "  corbel doctor\n  corbel doctor --output json");
  return {backUp, restore, doctor};
}

CLI::App* addSeedCommand(CLI::App& root, Flags& flags) {
  auto* seed = addCommand(root, flags, "seed",
                          "Put demo data into an empty installation, or take it out again (while "
                          "the server is stopped)",
                          "  corbel seed\n  corbel seed --remove");
  seed->add_flag("--remove", flags.seed.remove, "Take out the demo data, and nothing else");
  seed->add_flag("--force", flags.seed.force, "Also beside other models and schedules");
  return seed;
}

// Flags that no option claimed are settings: --server.port=8080.
std::optional<std::string> addSettings(const CLI::App& root, Flags& flags) {
  for (const std::string& assignment : flags.assignments) {
    if (!addAssignment(flags.common, assignment))
      return "--set " + assignment + ": must be name=value";
  }
  for (const std::string& extra : root.remaining(true)) {
    const bool isSetting =
        extra.starts_with("--") && addAssignment(flags.common, std::string_view(extra).substr(2));
    if (!isSetting)
      return extra + ": is no option of this command; settings are given as --name=value";
  }
  if (!flags.roles.empty()) flags.common.settings.emplace_back("server.roles", flags.roles);
  if (!flags.config.empty()) flags.common.configFile = flags.config;
  flags.common.output = outputOf(flags.output);
  if (flags.common.output == Output::markdown && !root.got_subcommand("config"))
    return "--output markdown: only config has it; the others have text and json";
  return std::nullopt;
}

}  // namespace

Parsed parseCommandLine(int argc, const char* const* argv) {
  Flags flags;
  CLI::App root("Corbel: the AI backend that stands beside an application.");
  root.footer(
      "Exit codes: 0 ok, 64 usage, 70 internal, 78 configuration.\n`corbel COMMAND --help` shows "
      "examples.");
  root.require_subcommand(1);
  root.set_version_flag("--version", std::string(kVersion));

  auto* serve =
      addCommand(root, flags, "serve", "Serve the API",
                 "  corbel serve\n  corbel serve --server.port=8080 --data.folder=/var/lib/corbel");
  serve->add_option("--roles", flags.roles,
                    "What this process serves: gateway, models, scheduler, worker; default all");
  auto* migrate =
      addCommand(root, flags, "migrate", "Bring the database to this program's version, or back",
                 "  corbel migrate\n  corbel migrate --down-to 10");
  migrate->add_option("--down-to", flags.downTo, "Take back every migration above this number")
      ->check(CLI::NonNegativeNumber);
  const auto* config = addCommand(
      root, flags, "config", "Print the effective settings and where each came from",
      "  corbel config\n  corbel config --output json\n  CORBEL_SERVER_PORT=8080 corbel config");

  const KeyCommands key = addKeyCommands(root, flags);
  addUserCommands(root, flags);
  const auto* verifyAudit = addAuditCommand(root, flags);
  const CareCommands care = addCareCommands(root, flags);
  const auto* seed = addSeedCommand(root, flags);
  const auto* openApi = addCommand(root, flags, "openapi", "Print the OpenAPI document",
                                   "  corbel openapi > openapi.json");
  const auto* version =
      addCommand(root, flags, "version", "Print the version", "  corbel version --output json");

  try {
    root.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return root.exit(success);
  } catch (const CLI::ParseError& error) {
    root.exit(error);
    return kUsage;
  }
  if (const auto problem = addSettings(root, flags)) {
    std::fprintf(stderr, "%s\n", problem->c_str());
    return kUsage;
  }
  if (flags.downTo >= 0) flags.migrate.downTo = flags.downTo;
  const auto chosen = [&]() -> Command {
    if (*serve) return Serve{};
    if (*migrate) return flags.migrate;
    if (*config) return ShowConfig{};
    if (*key.make) return flags.make;
    if (*key.list) return flags.list;
    if (*key.revoke) return flags.revoke;
    if (*key.rotateMaster) return RotateMasterKey{};
    if (root.got_subcommand("user")) return flags.user;
    if (*verifyAudit) return flags.verifyAudit;
    if (*care.backUp) return flags.backUp;
    if (*care.restore) return flags.restore;
    if (*care.doctor) return Examine{};
    if (*seed) return flags.seed;
    if (*openApi) return ShowOpenApi{};
    static_cast<void>(version);
    return ShowVersion{};
  }();
  return Invocation{chosen, std::move(flags.common)};
}

}  // namespace corbel::app

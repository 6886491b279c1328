// The commands of the program and what they are given.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace corbel::app {

// Exit codes, as sysexits.h has them.
inline constexpr int kOk = 0;
inline constexpr int kUsage = 64;
inline constexpr int kInternal = 70;
inline constexpr int kConfiguration = 78;

enum class Output { text, json, markdown };

// What every command takes: where settings come from, and how to print.
struct CommonOptions {
  std::optional<std::string> configFile;
  std::vector<std::pair<std::string, std::string>>
      settings;  // from --set name=value and --name=value
  Output output = Output::text;
};

struct Serve {};
struct Migrate {
  std::optional<int> downTo;
};
struct ShowConfig {};
struct MakeKey {
  std::string name;
  std::string role = "service";
  std::string tenant = "default";
};
struct ListKeys {
  std::string tenant = "default";
};
struct RevokeKey {
  std::string id;
  std::string tenant = "default";
};
struct UserCommand {
  enum class Verb { add, list, disable, enable, password, remove };
  Verb verb = Verb::list;
  std::string email;
  std::string name;
  std::vector<std::string> roles{"viewer"};
  std::string tenant = "default";
};
struct RotateMasterKey {};
struct VerifyAudit {
  std::string anchor;  // "<number>:<hash>", or empty
};
struct BackUp {
  std::string file;
};
struct Restore {
  std::string file;
  bool force = false;
};
struct Examine {};
struct Seed {
  bool remove = false;
  bool force = false;
};
struct ShowOpenApi {};
struct ShowVersion {};

using Command = std::variant<Serve, Migrate, ShowConfig, MakeKey, ListKeys, RevokeKey,
                             RotateMasterKey, UserCommand, VerifyAudit, BackUp, Restore, Examine,
                             Seed, ShowOpenApi, ShowVersion>;

struct Invocation {
  Command command;
  CommonOptions common;
};

// Nothing to run: help or a usage error was printed; leave with the exit code.
using Parsed = std::variant<Invocation, int>;
Parsed parseCommandLine(int argc, const char* const* argv);

}  // namespace corbel::app

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "base/text.h"
#include "config/settings.h"
#include "setting_table.h"
#include "suggestion.h"
#include "toml_source.h"

namespace corbel::config {
namespace {

constexpr std::string_view kPrefix = "CORBEL_";
constexpr std::string_view kFileVariable = "CORBEL_CONFIG";
// What the guides name their clients' address and key: a server started in the same shell has no
// use for them.
constexpr std::array<std::string_view, 2> kClientVariables{"CORBEL_URL", "CORBEL_KEY"};
constexpr std::string_view kFileSuffix = "_FILE";
constexpr std::size_t kSecretBytes = 64 * limits::kKiB;

bool hasAlias(const Entry<Settings>& entry, std::string_view name) {
  return !name.empty() && std::ranges::find(entry.rule.aliases, name) != entry.rule.aliases.end();
}

const Entry<Settings>* find(std::string_view name) {
  for (const auto& entry : settingTable()) {
    if (entry.name == name || hasAlias(entry, name)) return &entry;
  }
  return nullptr;
}

const Unavailable* findUnavailable(std::string_view name) {
  const auto table = unavailableTable();
  const auto found = std::ranges::find(table, name, &Unavailable::name);
  return found == table.end() ? nullptr : &*found;
}

class Loader {
 public:
  Result<Configuration> load(const Sources& sources) {
    readFile(sources);
    readEnvironment(sources.environment);
    readFlags(sources.flags);
    adoptJaeger();
    checkTogether(configuration_.settings, problems_);
    if (problems_.empty()) return std::move(configuration_);
    return std::unexpected(error());
  }

 private:
  void set(const Entry<Settings>& entry, const RawValue& raw, std::string source) {
    entry.assign(configuration_.settings, raw, entry.rule,
                 Origin{std::string(entry.name), source, problems_});
    configuration_.origins.insert_or_assign(std::string(entry.name), std::move(source));
  }

  // A value under a name that the file or a flag gave.
  void setNamed(std::string_view name, const RawValue& raw, const std::string& source) {
    if (const auto* entry = find(name)) return set(*entry, raw, source);
    if (const auto* missing = findUnavailable(name)) return report(name, missing->why, source);
    std::vector<std::string> names;
    for (const auto& entry : settingTable()) names.emplace_back(entry.name);
    report(name, "is not a setting" + didYouMean(name, names), source);
  }

  void report(std::string_view name, std::string_view complaint, const std::string& source) {
    Origin{printable(name), source, problems_}.report(complaint);
  }

  void readFile(const Sources& sources) {
    const auto variable = sources.environment.find(std::string(kFileVariable));
    const bool byVariable =
        !sources.file && variable != sources.environment.end() && !variable->second.empty();
    if (!sources.file && !byVariable) return;
    const std::string file = byVariable ? variable->second : *sources.file;
    const auto values =
        readFileValues(file, [](std::string_view path) { return find(path) != nullptr; });
    if (!values) {
      problems_.push_back({byVariable ? std::string(kFileVariable) : "--config",
                           fmt::format("{} {}", printable(file), values.error().message)});
      return;
    }
    for (const FileValue& value : *values) setNamed(value.path, value.value, value.source);
  }

  void readEnvironment(const std::map<std::string, std::string>& environment) {
    for (const auto& entry : settingTable()) readVariables(entry, environment);
    for (const Unavailable& missing : unavailableTable()) {
      // An empty variable is how compose files pass on what nobody set.
      const auto found = environment.find(std::string(missing.name));
      if (found != environment.end() && !found->second.empty())
        report(missing.name, missing.why, "environment");
    }
    refuseUnknownVariables(environment);
  }

  // The setting's own variable, else the first of its aliases that is there; the rest is noted.
  void readVariables(const Entry<Settings>& entry,
                     const std::map<std::string, std::string>& environment) {
    std::vector<std::string> names{environmentName(entry.name)};
    for (const auto alias : entry.rule.aliases) {
      if (!alias.empty()) names.emplace_back(alias);
    }
    std::string winner;
    for (const std::string& name : names) {
      for (const bool file : {false, true}) {
        const std::string variable = file ? name + std::string(kFileSuffix) : name;
        const auto found = environment.find(variable);
        if (found == environment.end() || (file && !entry.secret)) continue;
        if (winner.empty()) {
          setFromVariable(entry, variable, found->second, file);
          winner = variable;
        } else {
          configuration_.notes.push_back(
              fmt::format("{} is not used: {} is set too", variable, winner));
        }
      }
    }
  }

  void setFromVariable(const Entry<Settings>& entry, const std::string& variable,
                       const std::string& value, bool file) {
    if (!file) return set(entry, RawValue{.text = value}, variable);
    auto content = readSmallFile(value, kSecretBytes);
    if (!content)
      return report(entry.name,
                    fmt::format("file {} {}", printable(value), content.error().message), variable);
    while (content->ends_with('\n') || content->ends_with('\r')) content->pop_back();
    set(entry, RawValue{.text = *std::move(content)}, variable);
  }

  void refuseUnknownVariables(const std::map<std::string, std::string>& environment) {
    std::vector<std::string> known{std::string(kFileVariable)};
    known.insert(known.end(), kClientVariables.begin(), kClientVariables.end());
    for (const auto& entry : settingTable()) {
      known.push_back(environmentName(entry.name));
      if (entry.secret) known.push_back(known.back() + std::string(kFileSuffix));
    }
    for (const auto& [name, value] : environment) {
      if (!name.starts_with(kPrefix) || std::ranges::find(known, name) != known.end()) continue;
      report(name, "is not a setting" + didYouMean(name, known), "environment");
    }
  }

  void readFlags(const std::vector<std::pair<std::string, std::string>>& flags) {
    for (const auto& [name, value] : flags)
      setNamed(name, RawValue{.text = value}, fmt::format("--{}", printable(name)));
  }

  // Deployments name the port of Jaeger's own protocols there; OTLP has another one.
  void adoptJaeger() {
    constexpr std::string_view kVariable = "JAEGER_ENDPOINT";
    const auto origin = configuration_.origins.find("traces.endpoint");
    std::string& endpoint = configuration_.settings.traces.endpoint;
    if (origin == configuration_.origins.end() || origin->second != kVariable || endpoint.empty())
      return;
    std::string_view rest = endpoint;
    const bool https = rest.starts_with("https://");
    if (const auto scheme = rest.find("://"); scheme != std::string_view::npos)
      rest.remove_prefix(scheme + 3);
    std::string_view host = takeUntil(rest, '/');
    const auto colon = host.rfind(':');
    const auto bracket = host.rfind(']');
    const bool hasPort =
        colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
    endpoint = fmt::format("{}://{}:4318", https ? "https" : "http",
                           host.substr(0, hasPort ? colon : host.size()));
    configuration_.notes.push_back(
        fmt::format("{}: traces are sent by OTLP, to {}; traces.endpoint names another address",
                    kVariable, endpoint));
  }

  Error error() {
    Error error{.code = ErrorCode::invalidArgument,
                .message = {},
                .detail = {},
                .fields = std::move(problems_)};
    for (const auto& [setting, complaint] : error.fields) {
      error.message +=
          fmt::format("{}setting {}: {}", error.message.empty() ? "" : "\n", setting, complaint);
    }
    return error;
  }

  Configuration configuration_;
  std::vector<FieldError> problems_;
};

}  // namespace

std::map<std::string, std::string> processEnvironment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view value = *entry;
    const std::string_view name = takeUntil(value, '=');
    variables.emplace(name, value);
  }
  return variables;
}

Result<Configuration> load(const Sources& sources) { return Loader().load(sources); }

}  // namespace corbel::config

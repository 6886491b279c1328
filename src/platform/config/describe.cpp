#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/json_text.h"
#include "config/settings.h"
#include "setting_table.h"
#include "suggestion.h"

namespace corbel::config {
namespace {

std::string_view originOf(const Configuration& configuration, std::string_view name) {
  const auto found = configuration.origins.find(name);
  return found == configuration.origins.end() ? "default" : std::string_view(found->second);
}

std::vector<std::string_view> aliasesOf(const Rule& rule) {
  std::vector<std::string_view> aliases;
  std::ranges::copy_if(rule.aliases, std::back_inserter(aliases),
                       [](std::string_view a) { return !a.empty(); });
  return aliases;
}

template <class Owner>
std::string allowedOf(const Entry<Owner>& entry) {
  std::string allowed(entry.type);
  if (!entry.rule.unit.empty()) allowed += fmt::format(" ({})", entry.rule.unit);
  const std::string values = entry.allowed(entry.rule);
  return values.empty() || values == entry.type ? allowed : fmt::format("{}: {}", allowed, values);
}

void appendMember(std::string& json, std::string_view name, std::string_view value) {
  json += fmt::format("{}\"{}\": ", json.ends_with('{') ? "" : ", ", name);
  appendJsonString(json, value);
}

// A cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return escaped;
}

std::string code(std::string_view text) {
  return text.empty() ? "" : fmt::format("`{}`", cell(text));
}

}  // namespace

std::string environmentName(std::string_view setting) {
  std::string name = "CORBEL_";
  for (const char c : setting) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper) name += '_';
    name += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
  return name;
}

std::string toTable(const Configuration& configuration) {
  std::size_t nameWidth = 0;
  std::size_t valueWidth = 0;
  std::size_t originWidth = 0;
  for (const auto& entry : settingTable()) {
    nameWidth = std::max(nameWidth, entry.name.size());
    valueWidth = std::max(valueWidth, printable(entry.show(configuration.settings)).size());
    originWidth = std::max(originWidth, originOf(configuration, entry.name).size());
  }
  std::string table;
  for (const auto& entry : settingTable()) {
    table += fmt::format("{:<{}}  {:<{}}  {:<{}}  {}\n", entry.name, nameWidth,
                         printable(entry.show(configuration.settings)), valueWidth,
                         originOf(configuration, entry.name), originWidth, entry.doc);
  }
  for (const std::string& note : configuration.notes) table += fmt::format("note: {}\n", note);
  return table;
}

std::string toJson(const Configuration& configuration) {
  std::string json = "{\"settings\": [";
  for (const auto& entry : settingTable()) {
    json += json.ends_with('[') ? "\n  {" : ",\n  {";
    std::string members = "{";
    appendMember(members, "name", entry.name);
    appendMember(members, "value", entry.show(configuration.settings));
    appendMember(members, "source", originOf(configuration, entry.name));
    appendMember(members, "default", entry.show(Settings{}));
    appendMember(members, "type", allowedOf(entry));
    appendMember(members, "environment", environmentName(entry.name));
    appendMember(members, "doc", entry.doc);
    json += std::string_view(members).substr(1);
    json += '}';
  }
  json += "\n], \"notes\": [";
  for (const std::string& note : configuration.notes) {
    if (!json.ends_with('[')) json += ", ";
    appendJsonString(json, note);
  }
  return json + "]}\n";
}

std::string settingsDocument() {
  std::string text =
      "# Settings\n\n"
      "This page is generated from the settings table: `corbel config --output markdown`.\n\n"
      "Sources, later wins: defaults, the TOML file (`--config FILE` or `CORBEL_CONFIG`), "
      "environment variables, flags\n"
      "(`--server.port=3004`). `server.port` is `port` under `[server]` in the file and "
      "`CORBEL_SERVER_PORT` in the\n"
      "environment. A secret may also come from a file: `CORBEL_AUTH_JWT_SECRET_FILE`. Unknown "
      "names and bad values stop\n"
      "the start, all of them listed at once. `corbel config` shows what is in effect and where it "
      "came from.\n";
  std::string_view section;
  for (const auto& entry : settingTable()) {
    const std::string_view owner = entry.name.substr(0, entry.name.find('.'));
    if (owner != section) {
      text += fmt::format(
          "\n## {}\n\n| Setting | Default | Value | Meaning | Also from |\n|---|---|---|---|---|\n",
          owner);
    }
    section = owner;
    std::vector<std::string> aliases;
    for (const auto alias : aliasesOf(entry.rule)) aliases.push_back(code(alias));
    text += fmt::format("| `{}` | {} | {} | {} | {} |\n", entry.name, code(entry.show(Settings{})),
                        cell(allowedOf(entry)), cell(entry.doc), fmt::join(aliases, ", "));
  }
  text +=
      "\n## Fields of auth.issuers\n\n| Field | Default | Value | Meaning |\n|---|---|---|---|\n";
  for (const auto& entry : issuerTable()) {
    text += fmt::format("| `{}` | {} | {} | {} |\n", entry.name, code(entry.show(IssuerSettings{})),
                        cell(allowedOf(entry)), cell(entry.doc));
  }
  text += "\n## Names refused for now\n\n| Name | Why, and what to do |\n|---|---|\n";
  for (const Unavailable& missing : unavailableTable())
    text += fmt::format("| `{}` | {} |\n", missing.name, missing.why);
  return text;
}

}  // namespace corbel::config

// auth.issuers: a list of tables, each read by a table of its own.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "setting_table.h"
#include "suggestion.h"
#include "toml_source.h"

namespace corbel::config {
namespace {

// Members of nested tables under dotted names, one level deep.
std::vector<std::pair<std::string, const RawValue*>> flattened(const RawValue& raw) {
  std::vector<std::pair<std::string, const RawValue*>> members;
  for (const auto& [key, value] : raw.table) {
    if (value.kind != RawValue::Kind::table) members.emplace_back(key, &value);
    for (const auto& [inner, nested] : value.table)
      members.emplace_back(fmt::format("{}.{}", key, inner), &nested);
  }
  return members;
}

IssuerSettings readIssuer(const RawValue& raw, const std::string& name, const Origin& list) {
  IssuerSettings issuer;
  const Origin whole{name, list.source, list.problems};
  if (raw.kind != RawValue::Kind::table) whole.report("must be a table");
  for (const auto& [key, value] : flattened(raw)) {
    const auto entry =
        std::ranges::find(issuerTable(), std::string_view(key), &Entry<IssuerSettings>::name);
    const Origin origin{fmt::format("{}.{}", name, printable(key)), list.source, list.problems};
    if (entry != issuerTable().end()) {
      entry->assign(issuer, *value, entry->rule, origin);
      continue;
    }
    std::vector<std::string> names;
    for (const auto& known : issuerTable()) names.emplace_back(known.name);
    origin.report("is not a setting" + didYouMean(key, names));
  }
  return issuer;
}

}  // namespace

void assign(std::vector<IssuerSettings>& target, const RawValue& raw, const Rule&,
            const Origin& origin) {
  RawValue inlined;
  if (raw.kind == RawValue::Kind::scalar) {
    if (auto parsed = parseTomlValue(raw.text)) inlined = *std::move(parsed);
  }
  const RawValue& source = raw.kind == RawValue::Kind::scalar ? inlined : raw;
  if (source.kind != RawValue::Kind::list) {
    return origin.report(
        "must be a list of tables, as in [{iss = \"https://id.example.com\", jwksFile = "
        "\"keys.json\"}]");
  }
  target.clear();
  target.reserve(source.list.size());
  for (const RawValue& element : source.list) {
    target.push_back(
        readIssuer(element, fmt::format("{}[{}]", origin.setting, target.size()), origin));
  }
}

std::string Codec<std::vector<IssuerSettings>>::show(const std::vector<IssuerSettings>& value) {
  std::vector<std::string_view> names;
  for (const IssuerSettings& issuer : value)
    names.push_back(issuer.iss.empty() ? "(any iss)" : std::string_view(issuer.iss));
  return fmt::format("{}", fmt::join(names, ","));
}

}  // namespace corbel::config

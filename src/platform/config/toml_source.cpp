#include "toml_source.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>

#include "base/limits.h"
#include "setting_table.h"

namespace corbel::config {
namespace {

constexpr std::size_t kFileBytes = 1 * limits::kMiB;

std::string scalarText(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
  if (const auto truth = node.value_exact<bool>()) return *truth ? "true" : "false";
  if (const auto number = node.value_exact<double>()) return fmt::format("{}", *number);
  return "a date or time";
}

// Nesting is bounded by the parser (TOML_MAX_NESTED_VALUES).
RawValue rawValue(const toml::node& node) {
  RawValue raw;
  if (const auto* array = node.as_array()) {
    raw.kind = RawValue::Kind::list;
    for (const toml::node& element : *array) raw.list.push_back(rawValue(element));
  } else if (const auto* table = node.as_table()) {
    raw.kind = RawValue::Kind::table;
    for (const auto& [key, value] : *table) raw.table.emplace(key.str(), rawValue(value));
  } else {
    raw.text = scalarText(node);
  }
  return raw;
}

struct Flattening {
  const std::string& file;
  bool (*isSetting)(std::string_view path);
  std::vector<FileValue> values;

  void add(const std::string& path, const toml::node& node) {
    const auto* table = node.as_table();
    if (table == nullptr || isSetting(path)) {
      const auto line = node.source().begin.line;
      values.push_back({path, fmt::format("{}:{}", file, line), rawValue(node)});
      return;
    }
    for (const auto& [key, child] : *table) {
      add(path.empty() ? std::string(key.str()) : fmt::format("{}.{}", path, key.str()), child);
    }
  }
};

}  // namespace

Result<std::string> readSmallFile(const std::string& file, std::size_t maxBytes) {
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::string content(maxBytes + 1, '\0');
  stream.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (stream.bad() || (!stream && stream.gcount() == 0 && errno != 0)) {
    return fail(ErrorCode::invalidArgument,
                fmt::format("cannot be read: {}", std::generic_category().message(errno)));
  }
  content.resize(static_cast<std::size_t>(stream.gcount()));
  if (content.size() > maxBytes) {
    return fail(ErrorCode::invalidArgument,
                fmt::format("must not be longer than {} bytes", maxBytes));
  }
  return content;
}

Result<std::vector<FileValue>> readFileValues(const std::string& file,
                                              bool (*isSetting)(std::string_view path)) {
  CORBEL_TRY(const std::string content, readSmallFile(file, kFileBytes));
  const toml::parse_result parsed = toml::parse(content, file);
  if (!parsed) {
    return fail(ErrorCode::invalidArgument,
                fmt::format("is not TOML: line {}: {}", parsed.error().source().begin.line,
                            std::string_view(parsed.error().description())));
  }
  Flattening flattening{file, isSetting, {}};
  flattening.add("", parsed.table());
  return std::move(flattening.values);
}

Result<RawValue> parseTomlValue(std::string_view text) {
  const toml::parse_result parsed = toml::parse(fmt::format("value = {}", text));
  if (!parsed || parsed.table().size() != 1)
    return fail(ErrorCode::invalidArgument, "must be a TOML value");
  return rawValue(*parsed.table().get("value"));
}

}  // namespace corbel::config

#include "codec.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"

namespace corbel::config {
namespace {

constexpr std::string_view kNotWhole = "must be a whole number, ";

std::int64_t upperBound(const Rule& rule, std::int64_t typeMax) {
  return std::min(rule.max, typeMax);
}

}  // namespace

std::string allowedRange(const Rule& rule, std::int64_t typeMax) {
  // A bound that only the type sets says nothing to an operator, but for ports.
  if (rule.max > typeMax && typeMax > UINT16_MAX) return fmt::format("{} or more", rule.min);
  return fmt::format("{} to {}", rule.min, upperBound(rule, typeMax));
}

Parsed<std::int64_t> parseWhole(std::string_view text, const Rule& rule, std::int64_t typeMax,
                                std::initializer_list<UnitName> units) {
  const std::string_view trimmed = trim(text);
  const auto digits = trimmed.find_first_not_of("-0123456789");
  const std::string_view unit =
      digits == std::string_view::npos ? "" : trim(trimmed.substr(digits));
  const auto known = std::ranges::find_if(
      units, [&](const UnitName& u) { return equalsIgnoringCase(u.name, unit); });
  const auto number = parseNumber<std::int64_t>(trim(trimmed.substr(0, digits)));
  if (!number || (!unit.empty() && known == units.end())) {
    return std::unexpected(std::string(kNotWhole) + allowedRange(rule, typeMax));
  }
  std::int64_t value = 0;
  const std::int64_t factor = unit.empty() ? 1 : known->factor;
  const bool overflow = __builtin_mul_overflow(*number, factor, &value);
  if (overflow || value < rule.min || value > upperBound(rule, typeMax)) {
    return std::unexpected("must be " + allowedRange(rule, typeMax));
  }
  return value;
}

std::string allowedWords(const Rule& rule, std::string_view otherwise) {
  if (rule.words[0].empty()) return std::string(otherwise);
  const auto end = std::ranges::find(rule.words, std::string_view());
  return fmt::format("{}", fmt::join(rule.words.begin(), end, ", "));
}

Parsed<std::string> parseText(std::string_view text, const Rule& rule) {
  if (rule.check != nullptr) {
    if (auto complaint = rule.check(text); !complaint.empty())
      return std::unexpected(std::move(complaint));
  }
  if (rule.words[0].empty()) return std::string(text);
  for (const auto word : rule.words) {
    if (!word.empty() && equalsIgnoringCase(word, text)) return std::string(word);
  }
  return std::unexpected("must be one of " + allowedWords(rule, ""));
}

Parsed<std::vector<std::string>> parseList(const RawValue& raw, const Rule& rule) {
  if (raw.kind == RawValue::Kind::table) return std::unexpected("must be a list of texts");
  std::vector<std::string_view> texts;
  for (const RawValue& element : raw.list) {
    if (element.kind != RawValue::Kind::scalar) return std::unexpected("must be a list of texts");
    texts.push_back(element.text);
  }
  for (std::string_view rest = raw.text; !rest.empty();)
    texts.push_back(trim(takeUntil(rest, ',')));
  std::vector<std::string> list;
  for (const std::string_view text : texts) {
    if (text.empty()) return std::unexpected("must have no empty entries");
    auto entry = parseText(text, rule);
    if (!entry) return std::unexpected("each entry " + entry.error());
    list.push_back(*std::move(entry));
  }
  return list;
}

Parsed<std::map<std::string, std::string>> parseMap(const RawValue& raw, const Rule& rule) {
  if (raw.kind == RawValue::Kind::list) return std::unexpected("must be a table of texts");
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  for (const auto& [key, value] : raw.table) {
    if (value.kind != RawValue::Kind::scalar) return std::unexpected("must be a table of texts");
    pairs.emplace_back(key, value.text);
  }
  for (std::string_view rest = raw.text; !rest.empty();) {
    std::string_view value = takeUntil(rest, ',');
    const std::string_view key = trim(takeUntil(value, '='));
    pairs.emplace_back(key, trim(value));
  }
  std::map<std::string, std::string> map;
  for (const auto& [key, text] : pairs) {
    auto value = parseText(text, rule);
    if (key.empty() || !value) {
      return std::unexpected(key.empty() ? "must be name=value pairs"
                                         : fmt::format("{} {}", key, value.error()));
    }
    map.insert_or_assign(std::string(key), *std::move(value));
  }
  return map;
}

Parsed<double> parseNumberIn(std::string_view text, const Rule& rule) {
  const auto number = parseNumber<double>(trim(text));
  const bool good = number && *number >= static_cast<double>(rule.min) &&
                    *number <= static_cast<double>(rule.max);
  if (!good) return std::unexpected("must be a number, " + allowedRange(rule, INT64_MAX));
  return *number;
}

Parsed<bool> parseTruth(std::string_view text) {
  for (const std::string_view word : {"true", "1", "yes", "on"}) {
    if (equalsIgnoringCase(text, word)) return true;
  }
  for (const std::string_view word : {"false", "0", "no", "off"}) {
    if (equalsIgnoringCase(text, word)) return false;
  }
  return std::unexpected("must be true or false");
}

Parsed<Bytes> Codec<Bytes>::parse(const RawValue& raw, const Rule& rule) {
  constexpr std::int64_t kKi = 1024;
  const auto count = parseWhole(raw.text, rule, kMax,
                                {{"B", 1},
                                 {"K", kKi},
                                 {"KB", kKi},
                                 {"KiB", kKi},
                                 {"Ki", kKi},
                                 {"M", kKi * kKi},
                                 {"MB", kKi * kKi},
                                 {"MiB", kKi * kKi},
                                 {"Mi", kKi * kKi},
                                 {"G", kKi * kKi * kKi},
                                 {"GB", kKi * kKi * kKi},
                                 {"GiB", kKi * kKi * kKi},
                                 {"Gi", kKi * kKi * kKi}});
  if (!count) return std::unexpected(count.error());
  return Bytes{static_cast<std::uint64_t>(*count)};
}

std::string showBytes(Bytes bytes) {
  constexpr std::array<std::string_view, 4> kUnits{"", "KiB", "MiB", "GiB"};
  std::size_t unit = 0;
  std::uint64_t count = bytes.count;
  while (unit + 1 < kUnits.size() && count != 0 && count % 1024 == 0) {
    count /= 1024;
    ++unit;
  }
  return fmt::format("{}{}", count, kUnits[unit]);
}

std::string Codec<double>::show(double value) { return fmt::format("{}", value); }

std::string Codec<std::vector<std::string>>::show(const std::vector<std::string>& value) {
  return fmt::format("{}", fmt::join(value, ","));
}

std::string Codec<std::map<std::string, std::string>>::show(
    const std::map<std::string, std::string>& value) {
  std::string text;
  for (const auto& [key, entry] : value)
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", key, entry);
  return text;
}

}  // namespace corbel::config

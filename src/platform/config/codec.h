// How each type of setting is read, shown and described.
#pragma once
#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <expected>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "config/settings.h"
#include "raw_value.h"

namespace corbel::config {

// What a value must be, beyond its type.
struct Rule {
  std::int64_t min = 0;  // of numbers, in the setting's unit; not more than the type holds
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  std::array<std::string_view, 8> words{};  // texts allowed, in any case; none: any text
  std::array<std::string_view, 2>
      aliases{};            // established names accepted in place of the setting's own
  std::string_view unit{};  // for the reader, where the type does not say it
  std::string (*check)(std::string_view text) =
      nullptr;  // of each text: what it must be, or empty when it is right
};

// The value, or what it must be ("must be 1 or more").
template <class T>
using Parsed = std::expected<T, std::string>;

// Number with an optional unit behind it; the smallest unit counts 1.
struct UnitName {
  std::string_view name;
  std::int64_t factor;
};
Parsed<std::int64_t> parseWhole(std::string_view text, const Rule& rule, std::int64_t typeMax,
                                std::initializer_list<UnitName> units);
std::string allowedRange(const Rule& rule, std::int64_t typeMax);
Parsed<std::string> parseText(std::string_view text, const Rule& rule);
std::string allowedWords(const Rule& rule, std::string_view otherwise);
Parsed<std::vector<std::string>> parseList(const RawValue& raw, const Rule& rule);
Parsed<std::map<std::string, std::string>> parseMap(const RawValue& raw, const Rule& rule);
Parsed<double> parseNumberIn(std::string_view text, const Rule& rule);
Parsed<bool> parseTruth(std::string_view text);
// 1048576 as "1MiB" where that is exact.
std::string showBytes(Bytes bytes);

// parse() takes a scalar unless the type is a list or a map.
template <class T>
struct Codec;

template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>)
struct Codec<T> {
  static constexpr std::string_view kType = "whole number";
  static constexpr std::int64_t kMax =
      std::min<std::uint64_t>(std::numeric_limits<T>::max(), INT64_MAX);
  static Parsed<T> parse(const RawValue& raw, const Rule& rule) {
    const auto number = parseWhole(raw.text, rule, kMax, {});
    if (!number) return std::unexpected(number.error());
    return static_cast<T>(*number);
  }
  static std::string show(T value) { return std::to_string(value); }
  static std::string allowed(const Rule& rule) { return allowedRange(rule, kMax); }
};

template <class Duration>
struct DurationCodec {
  static Parsed<Duration> parse(const RawValue& raw, const Rule& rule,
                                std::initializer_list<UnitName> units) {
    const auto count = parseWhole(raw.text, rule, kMax, units);
    if (!count) return std::unexpected(count.error());
    return Duration(*count);
  }
  static std::string show(Duration value) { return std::to_string(value.count()); }
  static std::string allowed(const Rule& rule) { return allowedRange(rule, kMax); }
  static constexpr std::int64_t kMax = 365LL * 24 * 3600 * 1000;  // clocks add it without overflow
};

template <>
struct Codec<std::chrono::milliseconds> : DurationCodec<std::chrono::milliseconds> {
  static constexpr std::string_view kType = "milliseconds (or 3s, 2m, 1h)";
  static Parsed<std::chrono::milliseconds> parse(const RawValue& raw, const Rule& rule) {
    return DurationCodec::parse(raw, rule,
                                {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}});
  }
};

template <>
struct Codec<std::chrono::seconds> : DurationCodec<std::chrono::seconds> {
  static constexpr std::string_view kType = "seconds (or 2m, 1h, 7d)";
  static Parsed<std::chrono::seconds> parse(const RawValue& raw, const Rule& rule) {
    return DurationCodec::parse(raw, rule, {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86'400}});
  }
};

template <>
struct Codec<Bytes> {
  static constexpr std::string_view kType = "bytes (or 512MB, 2GB)";
  static constexpr std::int64_t kMax = std::int64_t{1} << 60;
  static Parsed<Bytes> parse(const RawValue& raw, const Rule& rule);
  static std::string show(Bytes value) { return showBytes(value); }
  static std::string allowed(const Rule& rule) { return allowedRange(rule, kMax); }
};

template <>
struct Codec<bool> {
  static constexpr std::string_view kType = "true or false";
  static Parsed<bool> parse(const RawValue& raw, const Rule&) { return parseTruth(raw.text); }
  static std::string show(bool value) { return value ? "true" : "false"; }
  static std::string allowed(const Rule&) { return "true or false"; }
};

template <>
struct Codec<double> {
  static constexpr std::string_view kType = "number";
  static Parsed<double> parse(const RawValue& raw, const Rule& rule) {
    return parseNumberIn(raw.text, rule);
  }
  static std::string show(double value);
  static std::string allowed(const Rule& rule) { return allowedRange(rule, INT64_MAX); }
};

template <>
struct Codec<std::string> {
  static constexpr std::string_view kType = "text";
  static Parsed<std::string> parse(const RawValue& raw, const Rule& rule) {
    return parseText(raw.text, rule);
  }
  static std::string show(const std::string& value) { return value; }
  static std::string allowed(const Rule& rule) { return allowedWords(rule, ""); }
};

template <>
struct Codec<Secret> {
  static constexpr std::string_view kType = "secret text";
  static Parsed<Secret> parse(const RawValue& raw, const Rule& rule) {
    auto text = parseText(raw.text, rule);
    if (!text) return std::unexpected(std::move(text).error());
    return Secret(*std::move(text));
  }
  static std::string show(const Secret& value) { return value.empty() ? "" : "(secret)"; }
  static std::string allowed(const Rule&) { return ""; }
};

template <>
struct Codec<std::vector<std::string>> {
  static constexpr std::string_view kType = "list of texts (a,b,c)";
  static Parsed<std::vector<std::string>> parse(const RawValue& raw, const Rule& rule) {
    return parseList(raw, rule);
  }
  static std::string show(const std::vector<std::string>& value);
  static std::string allowed(const Rule& rule) { return allowedWords(rule, ""); }
};

template <>
struct Codec<std::map<std::string, std::string>> {
  static constexpr std::string_view kType = "table of texts (a=b,c=d)";
  static Parsed<std::map<std::string, std::string>> parse(const RawValue& raw, const Rule& rule) {
    return parseMap(raw, rule);
  }
  static std::string show(const std::map<std::string, std::string>& value);
  static std::string allowed(const Rule& rule) { return allowedWords(rule, ""); }
};

template <class T>
constexpr bool kTakesList = requires { typename T::value_type; } && !std::same_as<T, std::string>;

}  // namespace corbel::config

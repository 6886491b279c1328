// The settings table: what binds a name to a member, and the tables themselves.
#pragma once
#include <fmt/format.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec.h"
#include "config/settings.h"
#include "raw_value.h"

namespace corbel::config {

// Text of a source made fit for an operator's terminal: quoted unless a number, no control
// characters, at most 80 bytes, the password of a URL masked.
std::string shown(std::string_view text);

// Where one value came from, and where its problems go.
struct Origin {
  std::string setting;
  std::string source;
  std::vector<FieldError>& problems;

  void report(std::string_view complaint) const {
    problems.push_back({setting, fmt::format("{} (from {})", complaint, source)});
  }
};

// One line of a table.
template <class Owner>
struct Entry {
  std::string_view name;  // as in "server.port"
  Rule rule;
  std::string_view doc;
  std::string_view type;
  bool secret;
  void (*assign)(Owner&, const RawValue&, const Rule&, const Origin&);
  std::string (*show)(const Owner&);
  std::string (*allowed)(const Rule&);
};

template <class Owner, class Member>
Owner ownerOf(Member Owner::*);

template <auto First, auto... Rest>
struct Path {
  using Owner = decltype(ownerOf(First));
  static auto& in(auto& owner) {
    if constexpr (sizeof...(Rest) == 0) {
      return owner.*First;
    } else {
      return Path<Rest...>::in(owner.*First);
    }
  }
};

template <class T>
void assign(T& target, const RawValue& raw, const Rule& rule, const Origin& origin) {
  constexpr bool secret = std::same_as<T, Secret>;
  if (raw.kind != RawValue::Kind::scalar && !kTakesList<T>)
    return origin.report("must be one value");
  auto value = Codec<T>::parse(raw, rule);
  if (value) {
    target = *std::move(value);
  } else if (raw.kind == RawValue::Kind::scalar) {
    origin.report(fmt::format("{}, got {}", value.error(), secret ? "(secret)" : shown(raw.text)));
  } else {
    origin.report(value.error());
  }
}

// From a list of tables, or the same as inline TOML text.
void assign(std::vector<IssuerSettings>& target, const RawValue& raw, const Rule& rule,
            const Origin& origin);

template <>
struct Codec<std::vector<IssuerSettings>> {
  static constexpr std::string_view kType = "list of tables";
  static std::string show(const std::vector<IssuerSettings>& value);
  static std::string allowed(const Rule&) { return ""; }
};

template <auto... Members>
constexpr auto setting(std::string_view name, Rule rule, std::string_view doc) {
  using Owner = typename Path<Members...>::Owner;
  using Member = std::remove_cvref_t<decltype(Path<Members...>::in(std::declval<Owner&>()))>;
  return Entry<Owner>{
      .name = name,
      .rule = rule,
      .doc = doc,
      .type = Codec<Member>::kType,
      .secret = std::same_as<Member, Secret>,
      .assign =
          [](Owner& owner, const RawValue& raw, const Rule& r, const Origin& origin) {
            config::assign(Path<Members...>::in(owner), raw, r, origin);
          },
      .show = [](const Owner& owner) { return Codec<Member>::show(Path<Members...>::in(owner)); },
      .allowed = [](const Rule& r) { return Codec<Member>::allowed(r); }};
}

// An established name whose meaning this version cannot give.
struct Unavailable {
  std::string_view name;
  std::string_view why;  // what is missing and what to do
};

std::span<const Entry<Settings>> settingTable();
std::span<const Entry<IssuerSettings>> issuerTable();  // of one element of auth.issuers
std::span<const Unavailable> unavailableTable();

// "limits.inferencePerMinute" as "CORBEL_LIMITS_INFERENCE_PER_MINUTE".
std::string environmentName(std::string_view setting);

// Problems that no single value shows. `setting` names of the problems exist in the tables.
void checkTogether(const Settings& settings, std::vector<FieldError>& problems);

}  // namespace corbel::config

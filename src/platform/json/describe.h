// A DTO is a plain struct, described once:
//
//   struct ListModels {
//     int limit = 50;
//     std::optional<std::string> cursor;
//     Order order = Order::newest;
//     static constexpr auto rules() {
//       return std::array{json::rule<&ListModels::limit>({.doc = "Items on a page.", .max = 200,
//       .optional = true}),
//                         json::rule<&ListModels::order>({.doc = "Which come first.", .optional =
//                         true})};
//     }
//   };
//   BOOST_DESCRIBE_STRUCT(ListModels, (), (limit, cursor, order))
//
//   enum class Order { newest, oldest };
//   BOOST_DESCRIBE_ENUM(Order, newest, oldest)
//
// Fields and values are spelled on the wire as in C++; one underscore at the end, for words that
// C++ keeps, is dropped. Templates use BOOST_DESCRIBE_CLASS(Page, (), (items, nextCursor), (), ())
// inside the struct. Public bases that are described bring their members and rules.
//
// A member is required unless it is a std::optional or a Patch, or its rule says `optional`.
// Members may be
//   bool, integers, float, double, std::string, Timestamp (RFC 3339), described enums and structs,
//   std::optional, Patch, std::vector and std::map<std::string, T> of these,
//   Raw and Document (any JSON), and in structs that are only written std::string_view.
#pragma once
#include <array>
#include <boost/describe.hpp>
#include <concepts>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "json/rule.h"
#include "json/type.h"
#include "json/values.h"

namespace corbel::json {

template <class T>
concept Described = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;

template <class T>
constexpr Type makeType();

// The table of `T`.
template <class T>
inline constexpr Type kType = makeType<T>();

namespace detail {

template <class T, template <class...> class Template>
inline constexpr bool kIs = false;
template <template <class...> class Template, class... Arguments>
inline constexpr bool kIs<Template<Arguments...>, Template> = true;

constexpr std::string_view wireName(std::string_view name) {
  return name.ends_with('_') ? name.substr(0, name.size() - 1) : name;
}

// clang writes "... typeName() [T = corbel::models::Version]".
template <class T>
constexpr std::string_view typeName() {
  constexpr std::string_view kSignature = __PRETTY_FUNCTION__;
  constexpr std::size_t kFrom = kSignature.find("T = ") + 4;
  return kSignature.substr(kFrom, kSignature.size() - kFrom - 1);
}

template <class T>
concept HasRules = requires { T::rules(); };

template <class T>
constexpr const Rule* findRule(const T& rules, const void* member) {
  for (const MemberRule& rule : rules) {
    if (rule.member == member) return &rule.rule;
  }
  return nullptr;
}

template <class T, auto Member, class Owner, class Value>
constexpr Rule ruleOf(Value Owner::*) {
  if constexpr (HasRules<T>) {
    constexpr auto kRules = T::rules();
    if (const Rule* rule = findRule(kRules, &kMemberId<Member>)) return *rule;
  }
  if constexpr (!std::same_as<T, Owner> && HasRules<Owner>) {
    constexpr auto kRules = Owner::rules();
    if (const Rule* rule = findRule(kRules, &kMemberId<Member>)) return *rule;
  }
  return {};
}

template <class T, class Descriptor>
constexpr Field fieldOf() {
  using Member = std::remove_cvref_t<decltype(std::declval<T&>().*Descriptor::pointer)>;
  constexpr Rule kRule = ruleOf<T, Descriptor::pointer>(Descriptor::pointer);
  return {.name = wireName(Descriptor::name),
          .type = &kType<Member>,
          .member = [](void* object) -> void* {
            return &(static_cast<T*>(object)->*Descriptor::pointer);
          },
          .rule = kRule,
          .required = !kRule.optional && !kIs<Member, std::optional> && !kIs<Member, Patch>};
}

template <class T, template <class...> class List, class... Descriptors>
constexpr std::array<Field, sizeof...(Descriptors)> fieldsOf(List<Descriptors...>) {
  static_assert(sizeof...(Descriptors) <= 64, "the decoder notes the fields it saw in 64 bits");
  return {fieldOf<T, Descriptors>()...};
}

template <class T>
inline constexpr auto kFields =
    fieldsOf<T>(boost::describe::describe_members<T, boost::describe::mod_public |
                                                         boost::describe::mod_inherited>{});

template <class T, template <class...> class List, class... Descriptors>
constexpr std::array<EnumValue, sizeof...(Descriptors)> valuesOf(List<Descriptors...>) {
  return {EnumValue{wireName(Descriptors::name), static_cast<std::int64_t>(Descriptors::value)}...};
}

template <class T>
inline constexpr auto kValues = valuesOf<T>(boost::describe::describe_enumerators<T>{});

template <class T>
const void* defaultsOf() {
  static const T object{};
  return &object;
}

template <class T>
T& as(void* pointer) {
  return *static_cast<T*>(pointer);
}
template <class T>
const T& as(const void* pointer) {
  return *static_cast<const T*>(pointer);
}

template <class V>
inline constexpr Container kVector{
    .add = [](void* list, std::string_view) -> void* { return &as<V>(list).emplace_back(); },
    .visit =
        [](const void* list, void* context, Visit visit) {
          for (const auto& item : as<V>(list)) visit(context, {}, &item);
        },
    .setNull = nullptr,
    .isNull = nullptr};

template <class M>
inline constexpr Container kMap{.add = [](void* map, std::string_view key) -> void* {
                                  const auto [entry, added] =
                                      as<M>(map).try_emplace(std::string(key));
                                  return added ? &entry->second : nullptr;
                                },
                                .visit =
                                    [](const void* map, void* context, Visit visit) {
                                      for (const auto& [key, value] : as<M>(map))
                                        visit(context, key, &value);
                                    },
                                .setNull = nullptr,
                                .isNull = nullptr};

template <class O>
inline constexpr Container kOptional{
    .add = [](void* optional, std::string_view) -> void* { return &as<O>(optional).emplace(); },
    .visit =
        [](const void* optional, void* context, Visit visit) {
          if (as<O>(optional)) visit(context, {}, &*as<O>(optional));
        },
    .setNull = nullptr,
    .isNull = nullptr};

template <class T>
inline constexpr Container kPatch{
    .add = [](void* patch, std::string_view) -> void* { return &as<Patch<T>>(patch).emplace(); },
    .visit =
        [](const void* patch, void* context, Visit visit) {
          if (const T* value = as<Patch<T>>(patch).value()) visit(context, {}, value);
        },
    .setNull = [](void* patch) { as<Patch<T>>(patch) = Patch<T>::null(); },
    .isNull = [](const void* patch) { return as<Patch<T>>(patch).clears(); }};

template <class T>
constexpr Type makeContainer() {
  if constexpr (kIs<T, Patch>) {
    using Element = T::Value;
    return {.kind = Kind::patch, .element = &kType<Element>, .container = &kPatch<Element>};
  } else if constexpr (kIs<T, std::optional>) {
    return {.kind = Kind::optional,
            .element = &kType<typename T::value_type>,
            .container = &kOptional<T>};
  } else if constexpr (kIs<T, std::vector>) {
    static_assert(!std::same_as<typename T::value_type, bool>,
                  "std::vector<bool> has no elements to write to");
    return {
        .kind = Kind::array, .element = &kType<typename T::value_type>, .container = &kVector<T>};
  } else {
    static_assert(std::same_as<typename T::key_type, std::string>, "JSON names are text");
    return {.kind = Kind::map, .element = &kType<typename T::mapped_type>, .container = &kMap<T>};
  }
}

template <class T>
constexpr Type makeObject() {
  Type type{.kind = Kind::object, .name = typeName<T>(), .fields = kFields<T>};
  if constexpr (std::is_default_constructible_v<T>) type.defaults = &defaultsOf<T>;
  return type;
}

}  // namespace detail

template <class T>
constexpr Type makeType() {
  using namespace detail;
  if constexpr (std::same_as<T, bool>) {
    return {.kind = Kind::boolean};
  } else if constexpr (std::integral<T>) {
    return {.kind = Kind::integer, .size = sizeof(T), .isSigned = std::is_signed_v<T>};
  } else if constexpr (std::floating_point<T>) {
    static_assert(sizeof(T) <= 8, "no long double");
    return {.kind = Kind::number, .size = sizeof(T), .isSigned = true};
  } else if constexpr (std::same_as<T, std::string>) {
    return {.kind = Kind::text};
  } else if constexpr (std::same_as<T, std::string_view>) {
    return {.kind = Kind::view};
  } else if constexpr (std::same_as<T, Timestamp>) {
    return {.kind = Kind::time};
  } else if constexpr (std::same_as<T, Raw>) {
    return {.kind = Kind::raw};
  } else if constexpr (std::same_as<T, Document>) {
    return {.kind = Kind::document};
  } else if constexpr (std::is_enum_v<T>) {
    static_assert(boost::describe::has_describe_enumerators<T>::value,
                  "describe it with BOOST_DESCRIBE_ENUM");
    return {
        .kind = Kind::enumeration, .size = sizeof(T), .name = typeName<T>(), .values = kValues<T>};
  } else if constexpr (Described<T>) {
    return makeObject<T>();
  } else {
    static_assert(kIs<T, std::optional> || kIs<T, Patch> || kIs<T, std::vector> || kIs<T, std::map>,
                  "not a type JSON members may have: see json/describe.h");
    return makeContainer<T>();
  }
}

}  // namespace corbel::json

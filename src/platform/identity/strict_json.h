// JSON in which every name occurs once: two readers of the same token must never see different
// claims.
#pragma once
#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>

namespace corbel::identity {

// A parsed object. Views into it are valid as long as it.
class StrictJson {
 public:
  static constexpr std::size_t kMaxDepth = 16;

  // Nothing: not valid JSON in UTF-8, not an object, nested too deep, numbers out of range, or a
  // name twice at any level.
  static std::optional<StrictJson> parse(std::string text);

  // A member, or by JSON pointer where `name` begins with '/'. Nothing: there is none.
  std::optional<simdjson::dom::element> find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name).has_value(); }
  // Nothing: there is none, or it is no text.
  std::optional<std::string_view> text(std::string_view name) const;

 private:
  StrictJson() = default;
  std::unique_ptr<simdjson::dom::parser> parser_ = std::make_unique<simdjson::dom::parser>();
  simdjson::dom::object root_;
};

}  // namespace corbel::identity

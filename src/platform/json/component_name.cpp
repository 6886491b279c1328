#include "json/component_name.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace corbel::json {
namespace {

// "a::b::C" without template arguments as {"a", "b", "C"}.
std::vector<std::string_view> segments(std::string_view name) {
  std::vector<std::string_view> parts;
  for (std::size_t at = name.find("::"); at != std::string_view::npos; at = name.find("::")) {
    parts.push_back(name.substr(0, at));
    name.remove_prefix(at + 2);
  }
  parts.push_back(name);
  return parts;
}

// The top-level arguments of "Name<A, B<C>>".
std::vector<std::string_view> arguments(std::string_view type) {
  std::vector<std::string_view> found;
  int nested = 0;
  std::size_t from = type.find('<') + 1;
  for (std::size_t at = from; at < type.size(); ++at) {
    const char c = type[at];
    const bool ends = nested == 0 && (c == ',' || c == '>');
    nested += c == '<' ? 1 : c == '>' ? -1 : 0;
    if (!ends) continue;
    found.push_back(type.substr(from, at - from));
    from = at + (type.substr(at + 1).starts_with(' ') ? 2 : 1);
  }
  return found;
}

std::string capitalised(std::string_view word) {
  std::string text(word);
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z')
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  std::erase_if(text, [](char c) { return c == '(' || c == ')' || c == ' '; });
  return text;
}

}  // namespace

std::string componentName(std::string_view type) {
  const std::size_t open = type.find('<');
  std::string name;
  if (open != std::string_view::npos) {
    for (const std::string_view argument : arguments(type)) name += componentName(argument);
  }
  return name + capitalised(segments(type.substr(0, open)).back());
}

std::string qualifiedComponentName(std::string_view type) {
  const auto parts = segments(type.substr(0, type.find('<')));
  return (parts.size() > 1 ? capitalised(parts[parts.size() - 2]) : "") + componentName(type);
}

}  // namespace corbel::json

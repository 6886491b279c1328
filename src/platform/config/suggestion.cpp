#include "suggestion.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/text.h"
#include "setting_table.h"

namespace corbel::config {
namespace {

constexpr std::size_t kShownBytes = 80;

// Edits (insert, delete, replace) that turn one into the other, letters in any case (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (lowerAscii(a[i]) == lowerAscii(b[j]) ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

}  // namespace

std::string didYouMean(std::string_view name, std::span<const std::string> names) {
  if (name.size() > kShownBytes) return "";
  const auto nearest =
      std::ranges::min_element(names, {}, [&](const std::string& n) { return distance(name, n); });
  if (nearest == names.end() ||
      distance(name, *nearest) > std::max<std::size_t>(2, name.size() / 4))
    return "";
  return fmt::format("; did you mean {}?", *nearest);
}

std::string printable(std::string_view text) {
  std::string clean(text.substr(0, kShownBytes));
  std::ranges::replace_if(
      clean, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return text.size() > kShownBytes ? clean + "..." : clean;
}

std::string shown(std::string_view text) {
  if (!text.empty() && text.size() <= 20 &&
      text.find_first_not_of("-.0123456789") == std::string_view::npos) {
    return std::string(text);
  }
  // user:password@ of a URL
  std::string masked(text);
  const auto scheme = masked.find("://");
  const auto at = scheme == std::string::npos ? scheme : masked.rfind('@');
  if (at != std::string::npos && at > scheme) masked.replace(scheme + 3, at - scheme - 3, "***");
  return fmt::format("\"{}\"", printable(masked));
}

}  // namespace corbel::config

#include "http/conditional.h"

#include "base/text.h"

namespace corbel::http {
namespace {

enum class Comparison : bool { strong, weak };

bool lists(std::string_view tags, std::string_view etag, Comparison comparison) {
  while (!tags.empty()) {
    std::string_view tag = trim(takeUntil(tags, ','));
    if (comparison == Comparison::weak && tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == etag || tag == "*") return true;
  }
  return false;
}

}  // namespace

bool clientHas(const RequestHead& head, std::string_view etag) {
  return lists(head.header("If-None-Match"), etag, Comparison::weak);
}

bool mayChange(const RequestHead& head, std::string_view etag) {
  const auto tags = head.header("If-Match");
  return trim(tags).empty() || lists(tags, etag, Comparison::strong);
}

}  // namespace corbel::http

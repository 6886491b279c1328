#include "native/page.h"

#include <span>

#include "base/id.h"
#include "crypto/encoding.h"

namespace corbel::native {

std::string toCursor(const Position& position) {
  const std::string text = position.id + position.value;
  return crypto::toBase64Url(std::as_bytes(std::span(text)));
}

Result<Position> parseCursor(std::string_view cursor) {
  constexpr std::size_t kIdLength = 36;
  const auto text = crypto::fromBase64Url(cursor);
  if (text && text->size() >= kIdLength && isUuid(std::string_view(*text).substr(0, kIdLength))) {
    return Position{text->substr(kIdLength), text->substr(0, kIdLength)};
  }
  return failField("?cursor", "must be the nextCursor of an earlier page");
}

Sort parseSort(std::string_view text) {
  const bool descending = text.starts_with('-');
  return {descending ? text.substr(1) : text, descending};
}

}  // namespace corbel::native

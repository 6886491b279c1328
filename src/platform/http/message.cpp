#include "http/message.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <variant>

#include "base/text.h"

namespace corbel::http {

std::string_view name(Method method) {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::head:
      return "HEAD";
    case Method::post:
      return "POST";
    case Method::put:
      return "PUT";
    case Method::patch:
      return "PATCH";
    case Method::del:
      return "DELETE";
    case Method::options:
      return "OPTIONS";
  }
  std::unreachable();
}

std::string_view RequestHead::header(std::string_view name) const {
  for (const Header& header : headers) {
    if (header.name.size() == name.size() && equalsIgnoringCase(header.name, name)) {
      return header.value;
    }
  }
  return {};
}

std::size_t RequestHead::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      headers, [name](const Header& header) { return equalsIgnoringCase(header.name, name); }));
}

FileRange::~FileRange() {
  if (descriptor >= 0) ::close(descriptor);
}

void letGo(const Response& response) {
  const auto* source = std::get_if<std::shared_ptr<BodySource>>(&response.body);
  if (source != nullptr && *source) (*source)->gone();
}

}  // namespace corbel::http

// Writes the head of a response as text.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/message.h"

namespace corbel::http {

// Bytes of the response's body; nothing: it is made while it is sent.
std::optional<std::uint64_t> bodyLength(const Response& response);

// 204 and 304 never have one.
bool mayHaveBody(int status);

enum class AfterResponse : std::uint8_t { keepOpen, close };
enum class Transport : std::uint8_t { plain, tls };           // of the connection
enum class Streaming : std::uint8_t { chunked, untilClose };  // of bodies without a length

struct HeadOptions {
  AfterResponse after;
  Transport transport;
  Streaming streaming;
};

// Appends status line and headers, up to and with the empty line. `date` is what DateText gives.
// Control characters in header values become spaces: no value can start a header of its own.
void appendHead(std::string& out, const Response& response, HeadOptions options,
                std::string_view date);

// The Date header's value (RFC 9110, 5.6.7), rendered once a second.
class DateText {
 public:
  std::string_view at(Timestamp time);

 private:
  std::chrono::sys_seconds second_{std::chrono::seconds(-1)};
  std::string text_;
};

}  // namespace corbel::http

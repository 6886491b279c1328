#include "response_writer.h"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/clock.h"
#include "http/message.h"
#include "http/status.h"

namespace corbel::http {
namespace {

// What browsers need to be told about every answer: never guess a type, never leak addresses, never
// be framed.
constexpr std::string_view kSecurityHeaders =
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Frame-Options: DENY\r\n";
// RFC 6797: a browser that was here once asks with TLS for a year.
constexpr std::string_view kStrictTransport = "Strict-Transport-Security: max-age=31536000\r\n";

void appendNumber(std::string& out, std::uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

void appendStatusLine(std::string& out, int status) {
  out += "HTTP/1.1 ";
  appendNumber(out, static_cast<std::uint64_t>(status));
  out += ' ';
  out += statusText(status);
  out += "\r\n";
}

void appendHeader(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  const auto start = out.size();
  out += value;
  for (auto i = start; i < out.size(); ++i) {
    if (const auto c = static_cast<unsigned char>(out[i]); c < ' ' || c == 0x7f) out[i] = ' ';
  }
  out += "\r\n";
}

void appendFraming(std::string& out, const Response& response, Streaming streaming) {
  const auto length = bodyLength(response);
  if (length != 0) appendHeader(out, "Content-Type", response.contentType);
  if (length) {
    out += "Content-Length: ";
    appendNumber(out, *length);
    out += "\r\n";
  } else if (streaming == Streaming::chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  }
}

}  // namespace

std::optional<std::uint64_t> bodyLength(const Response& response) {
  if (const auto* text = std::get_if<std::string>(&response.body)) return text->size();
  if (const auto* fixed = std::get_if<StaticBytes>(&response.body)) return fixed->bytes.size();
  if (const auto* file = std::get_if<FileRange>(&response.body)) return file->length;
  return std::nullopt;
}

bool mayHaveBody(int status) { return status >= 200 && status != 204 && status != 304; }

void appendHead(std::string& out, const Response& response, HeadOptions options,
                std::string_view date) {
  appendStatusLine(out, response.status);
  out += "Date: ";
  out += date;
  out += "\r\n";
  if (mayHaveBody(response.status)) appendFraming(out, response, options.streaming);
  out += kSecurityHeaders;
  if (options.transport == Transport::tls) out += kStrictTransport;
  for (const auto& [name, value] : response.headers) appendHeader(out, name, value);
  if (options.after == AfterResponse::close) out += "Connection: close\r\n";
  out += "\r\n";
}

std::string_view DateText::at(Timestamp time) {
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  if (second != second_) {
    second_ = second;
    const std::time_t seconds = second.time_since_epoch().count();
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    static constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
    static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
    // Not strftime: its names follow the locale.
    const auto two = [](int number) {
      return std::string{static_cast<char>('0' + number / 10),
                         static_cast<char>('0' + number % 10)};
    };
    text_ = std::string(kDays.substr(static_cast<std::size_t>(parts.tm_wday) * 3, 3)) + ", " +
            two(parts.tm_mday) + " " +
            std::string(kMonths.substr(static_cast<std::size_t>(parts.tm_mon) * 3, 3)) + " " +
            std::to_string(parts.tm_year + 1900) + " " + two(parts.tm_hour) + ":" +
            two(parts.tm_min) + ":" + two(parts.tm_sec) + " GMT";
  }
  return text_;
}

}  // namespace corbel::http

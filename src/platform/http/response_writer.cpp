#include "response_writer.h"
#include <bits/chrono.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <variant>
#include "base/clock.h"
#include "http/message.h"

namespace corbel::http {
namespace {

// What browsers need to be told about every answer: never guess a type, never leak addresses, never
// be framed.
constexpr std::string_view kSecurityHeaders =
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Frame-Options: DENY\r\n";

std::string_view statusLine(int status) {
  switch (status) {
    case 200:
      return "HTTP/1.1 200 OK\r\n";
    case 201:
      return "HTTP/1.1 201 Created\r\n";
    case 202:
      return "HTTP/1.1 202 Accepted\r\n";
    case 204:
      return "HTTP/1.1 204 No Content\r\n";
    case 206:
      return "HTTP/1.1 206 Partial Content\r\n";
    case 301:
      return "HTTP/1.1 301 Moved Permanently\r\n";
    case 302:
      return "HTTP/1.1 302 Found\r\n";
    case 303:
      return "HTTP/1.1 303 See Other\r\n";
    case 304:
      return "HTTP/1.1 304 Not Modified\r\n";
    case 307:
      return "HTTP/1.1 307 Temporary Redirect\r\n";
    case 308:
      return "HTTP/1.1 308 Permanent Redirect\r\n";
    case 400:
      return "HTTP/1.1 400 Bad Request\r\n";
    case 401:
      return "HTTP/1.1 401 Unauthorized\r\n";
    case 402:
      return "HTTP/1.1 402 Payment Required\r\n";
    case 403:
      return "HTTP/1.1 403 Forbidden\r\n";
    case 404:
      return "HTTP/1.1 404 Not Found\r\n";
    case 405:
      return "HTTP/1.1 405 Method Not Allowed\r\n";
    case 406:
      return "HTTP/1.1 406 Not Acceptable\r\n";
    case 408:
      return "HTTP/1.1 408 Request Timeout\r\n";
    case 409:
      return "HTTP/1.1 409 Conflict\r\n";
    case 410:
      return "HTTP/1.1 410 Gone\r\n";
    case 412:
      return "HTTP/1.1 412 Precondition Failed\r\n";
    case 413:
      return "HTTP/1.1 413 Content Too Large\r\n";
    case 415:
      return "HTTP/1.1 415 Unsupported Media Type\r\n";
    case 416:
      return "HTTP/1.1 416 Range Not Satisfiable\r\n";
    case 422:
      return "HTTP/1.1 422 Unprocessable Content\r\n";
    case 428:
      return "HTTP/1.1 428 Precondition Required\r\n";
    case 429:
      return "HTTP/1.1 429 Too Many Requests\r\n";
    case 431:
      return "HTTP/1.1 431 Request Header Fields Too Large\r\n";
    case 500:
      return "HTTP/1.1 500 Internal Server Error\r\n";
    case 501:
      return "HTTP/1.1 501 Not Implemented\r\n";
    case 502:
      return "HTTP/1.1 502 Bad Gateway\r\n";
    case 503:
      return "HTTP/1.1 503 Service Unavailable\r\n";
    case 504:
      return "HTTP/1.1 504 Gateway Timeout\r\n";
    case 507:
      return "HTTP/1.1 507 Insufficient Storage\r\n";
    default:
      return {};
  }
}

void appendNumber(std::string& out, std::uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

void appendStatusLine(std::string& out, int status) {
  if (const auto line = statusLine(status); !line.empty()) {
    out += line;
    return;
  }
  out += "HTTP/1.1 ";
  appendNumber(out, static_cast<std::uint64_t>(status));
  out += " \r\n";
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

}  // namespace

std::uint64_t bodyLength(const Response& response) {
  if (const auto* text = std::get_if<std::string>(&response.body)) return text->size();
  if (const auto* fixed = std::get_if<StaticBytes>(&response.body)) return fixed->bytes.size();
  return std::get<FileRange>(response.body).length;
}

bool mayHaveBody(int status) { return status >= 200 && status != 204 && status != 304; }

void appendHead(std::string& out, const Response& response, AfterResponse after, std::string_view date) {
  appendStatusLine(out, response.status);
  out += "Date: ";
  out += date;
  out += "\r\n";
  if (mayHaveBody(response.status)) {
    const std::uint64_t length = bodyLength(response);
    if (length > 0) appendHeader(out, "Content-Type", response.contentType);
    out += "Content-Length: ";
    appendNumber(out, length);
    out += "\r\n";
  }
  out += kSecurityHeaders;
  for (const auto& [name, value] : response.headers) appendHeader(out, name, value);
  if (after == AfterResponse::close) out += "Connection: close\r\n";
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
      return std::string{static_cast<char>('0' + number / 10), static_cast<char>('0' + number % 10)};
    };
    text_ = std::string(kDays.substr(static_cast<std::size_t>(parts.tm_wday) * 3, 3)) + ", " + two(parts.tm_mday) +
            " " + std::string(kMonths.substr(static_cast<std::size_t>(parts.tm_mon) * 3, 3)) + " " +
            std::to_string(parts.tm_year + 1900) + " " + two(parts.tm_hour) + ":" + two(parts.tm_min) + ":" +
            two(parts.tm_sec) + " GMT";
  }
  return text_;
}

}  // namespace corbel::http

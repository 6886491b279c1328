#include "http/status.h"

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace corbel::http {
namespace {

// Indexed by status - 100: looked up once a response.
constexpr auto kReasons = [] {
  std::array<std::string_view, 500> reasons{};
  constexpr std::pair<std::size_t, std::string_view> kKnown[] = {
      {100, "Continue"},
      {101, "Switching Protocols"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {402, "Payment Required"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {415, "Unsupported Media Type"},
      {416, "Range Not Satisfiable"},
      {421, "Misdirected Request"},
      {422, "Unprocessable Content"},
      {428, "Precondition Required"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {507, "Insufficient Storage"},
  };
  for (const auto& [status, reason] : kKnown) reasons[status - 100] = reason;
  return reasons;
}();

}  // namespace

int statusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalidArgument:
      return 400;
    case ErrorCode::unauthenticated:
      return 401;
    case ErrorCode::permissionDenied:
      return 403;
    case ErrorCode::notFound:
      return 404;
    case ErrorCode::methodNotAllowed:
      return 405;
    case ErrorCode::requestTimeout:
      return 408;
    case ErrorCode::alreadyExists:
    case ErrorCode::aborted:
      return 409;
    case ErrorCode::failedPrecondition:
      return 412;
    case ErrorCode::payloadTooLarge:
      return 413;
    case ErrorCode::unsupportedMediaType:
      return 415;
    case ErrorCode::unprocessable:
      return 422;
    case ErrorCode::resourceExhausted:
      return 429;
    case ErrorCode::headerTooLarge:
      return 431;
    case ErrorCode::internal:
      return 500;
    case ErrorCode::unavailable:
      return 503;
    case ErrorCode::deadlineExceeded:
      return 504;
    case ErrorCode::insufficientStorage:
      return 507;
  }
  std::unreachable();
}

std::string_view statusText(int status) {
  const auto index = static_cast<std::size_t>(status) - 100;
  return index < kReasons.size() && !kReasons[index].empty() ? kReasons[index] : "Unknown";
}

}  // namespace corbel::http

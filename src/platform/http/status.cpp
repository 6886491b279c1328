#include "http/status.h"

#include <utility>

namespace corbel::http {

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
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

}  // namespace corbel::http

#include "base/result.h"

#include <utility>

namespace corbel {

std::string_view name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalidArgument:
      return "invalid_argument";
    case ErrorCode::unauthenticated:
      return "unauthenticated";
    case ErrorCode::permissionDenied:
      return "permission_denied";
    case ErrorCode::notFound:
      return "not_found";
    case ErrorCode::methodNotAllowed:
      return "method_not_allowed";
    case ErrorCode::requestTimeout:
      return "request_timeout";
    case ErrorCode::alreadyExists:
      return "already_exists";
    case ErrorCode::aborted:
      return "aborted";
    case ErrorCode::failedPrecondition:
      return "failed_precondition";
    case ErrorCode::payloadTooLarge:
      return "payload_too_large";
    case ErrorCode::unsupportedMediaType:
      return "unsupported_media_type";
    case ErrorCode::unprocessable:
      return "unprocessable";
    case ErrorCode::resourceExhausted:
      return "resource_exhausted";
    case ErrorCode::headerTooLarge:
      return "header_too_large";
    case ErrorCode::internal:
      return "internal";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::deadlineExceeded:
      return "deadline_exceeded";
    case ErrorCode::insufficientStorage:
      return "insufficient_storage";
  }
  std::unreachable();
}

std::unexpected<Error> failField(std::string pointer, std::string message, ErrorCode code) {
  std::string whole = pointer.empty() ? message : pointer + ": " + message;
  return std::unexpected(
      Error{code, std::move(whole), {}, {{std::move(pointer), std::move(message)}}});
}

}  // namespace corbel

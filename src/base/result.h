// Errors are values. Every fallible function returns Result<T>; exceptions of libraries end where
// the library is called.
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corbel {

// Canonical outcomes. The wire layers map each to their own status once; see docs/errors.md for the
// native API.
enum class ErrorCode : std::uint8_t {
  invalidArgument,       // not parseable, or of the wrong type or shape
  unauthenticated,       // no credential, or one that proves nobody
  permissionDenied,      // known, but not allowed
  notFound,              // does not exist, or belongs to another tenant
  methodNotAllowed,      // the path exists, the method does not
  requestTimeout,        // the client was too slow to send
  alreadyExists,         // the name or id is taken
  aborted,               // lost against a concurrent change; may be tried again
  failedPrecondition,    // If-Match did not hold
  payloadTooLarge,       // longer than the route allows
  unsupportedMediaType,  // Content-Type or Content-Encoding is not accepted
  unprocessable,         // well-formed, but against the rules of the thing
  resourceExhausted,     // a limit or a quota is used up
  headerTooLarge,        // request header longer than the server allows
  internal,              // our fault
  unavailable,           // cannot answer now; may be tried again
  deadlineExceeded,      // the time allowed ran out
  insufficientStorage,   // no room on disk, or the tenant's quota is full
};

// The snake_case word used on the wire and in logs, e.g. "invalid_argument".
std::string_view name(ErrorCode code);

// One thing wrong with one field of the input. `pointer` is a JSON pointer (RFC 6901), e.g.
// "/input/age".
struct FieldError {
  std::string pointer;
  std::string message;
  bool operator==(const FieldError&) const = default;
};

// `message` is for the client: what is wrong, what is allowed, what to do; never a path, SQL,
// address or stack. `detail` is for the log only.
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;
  std::string detail;
  std::vector<FieldError> fields;
};

template <class T>
using Result = std::expected<T, Error>;

// `return fail(ErrorCode::notFound, "model 'x' does not exist");`
inline std::unexpected<Error> fail(ErrorCode code, std::string message, std::string detail = {}) {
  return std::unexpected(Error{code, std::move(message), std::move(detail), {}});
}

// invalid_argument about one field: the message of the whole is "<pointer>: <message>".
std::unexpected<Error> failField(std::string pointer, std::string message,
                                 ErrorCode code = ErrorCode::invalidArgument);

}  // namespace corbel

// Early return of an error. `CORBEL_TRY(auto model, registry.find(id));` declares `model` or
// returns the error.
#define CORBEL_TRY(declaration, ...) \
  CORBEL_TRY_IMPL(CORBEL_CAT(tryResult, __LINE__), declaration, __VA_ARGS__)
// The same for Result<void>: `CORBEL_CHECK(store.remove(id));`
#define CORBEL_CHECK(...)                                     \
  do {                                                        \
    if (auto checkResult = (__VA_ARGS__); !checkResult)       \
      return std::unexpected(std::move(checkResult).error()); \
  } while (false)
#define CORBEL_TRY_IMPL(result, declaration, ...)                 \
  auto result = (__VA_ARGS__);                                    \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = std::move(*result)
#define CORBEL_CAT(a, b) CORBEL_CAT_IMPL(a, b)
#define CORBEL_CAT_IMPL(a, b) a##b

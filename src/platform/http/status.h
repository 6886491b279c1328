// HTTP status codes of our errors and their reason phrases (RFC 9110, 15).
#pragma once
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace corbel::http {

// The native API's mapping; the only place where an ErrorCode becomes a status.
int statusOf(ErrorCode code);
std::string_view statusText(int status);  // "Unknown" for one that we do not send

// application/problem+json (RFC 9457). `instance` is the request's path; both may be empty when
// they are not known.
Response problem(const Error& error, std::string_view instance, std::string_view correlationId);

}  // namespace corbel::http

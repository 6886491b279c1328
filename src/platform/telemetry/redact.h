// Bodies made fit for the log: structure stays, secrets go.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "base/limits.h"

namespace corbel::log {

inline constexpr std::size_t kBodyBytes = 16 * limits::kKiB;

// A JSON body with the values of members whose names mean a secret (password, token, authorization,
// api_key ...) and everything in strings that looks like a key or token (crb_..., sk-..., Bearer
// ..., JWTs) replaced by "***"; at most kBodyBytes long. Takes any bytes, in linear time: malformed
// JSON is cut where it stops being readable, and of what is not JSON at all only the length is
// told.
std::string redactJson(std::string_view body);

// Plain text with what looks like a key or token replaced.
std::string redactText(std::string_view text);

// Whether a header, parameter or member of that name holds a secret.
bool isSecretName(std::string_view name);

}  // namespace corbel::log

// What tenants, roles and keys may be called.
#pragma once
#include <string_view>

#include "base/result.h"

namespace corbel::identity {

// An id that goes into headers, metrics and logs: lower-case letters, digits and '-', not at the ends, 1 to 63 characters.
Result<void> checkWord(std::string_view pointer, std::string_view word);
// A name for people: 1 to 100 bytes without control characters.
Result<void> checkName(std::string_view pointer, std::string_view name);

}  // namespace corbel::identity

// What tenants, roles and keys may be called, and what may be handed on.
#pragma once
#include <string_view>

#include "base/result.h"
#include "identity/identity.h"

namespace corbel::identity {

// An id that goes into headers, metrics and logs: lower-case letters, digits and '-', not at the
// ends, 1 to 63 characters.
Result<void> checkWord(std::string_view pointer, std::string_view word);
// A name for people: 1 to 100 bytes without control characters.
Result<void> checkName(std::string_view pointer, std::string_view name);

// permission_denied: there are permissions that the actor lacks; the message names them.
Result<void> checkDelegation(PermissionSet permissions, const Actor& by);

}  // namespace corbel::identity

// What shows the whole installation, all tenants of it, is for those who run it.
#pragma once
#include <string>

#include "base/result.h"
#include "http/call.h"
#include "identity/identity.h"

namespace corbel::native {

// permission_denied: the call is for another tenant than the default one.
inline Result<void> requireInstallation(const http::Call& call) {
  if (call.tenant() == identity::kDefaultTenant) return {};
  return fail(ErrorCode::permissionDenied,
              "This shows the whole installation: it needs a credential of the tenant '" +
                  std::string(identity::kDefaultTenant) + "'.");
}

}  // namespace corbel::native

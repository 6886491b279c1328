// The people who sign in here: their accounts, sessions and pages, and the link of the first start.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/database.h"
#include "base/deadline.h"
#include "base/result.h"
#include "base/secret.h"
#include "config/settings.h"
#include "exec/pool.h"
#include "http/route.h"
#include "identity/passwords.h"
#include "identity/sessions.h"
#include "identity/setup_link.h"
#include "identity/users.h"
#include "limits/rate_limiter.h"
#include "native/session_api.h"
#include "native/setup_api.h"
#include "native/users_api.h"
#include "pages/sign_in_pages.h"
#include "telemetry/metrics.h"

namespace corbel::app {

class UsersPart {
 public:
  // Everything must outlive it.
  struct Parts {
    const config::SessionSettings& settings;
    Installation& installation;
    limits::RateLimiter& limiter;
    metrics::Metrics& metrics;
  };
  explicit UsersPart(const Parts& parts);

  identity::Sessions& sessions() { return sessions_; }
  std::vector<http::Route> mount();
  static std::vector<http::Route> describe();

  // The token of the link of the first start; nothing: there is a user.
  Result<std::optional<Secret>> makeSetupLink();

  // Waits for the passwords that are checked.
  void stop(Deadline deadline) { pool_->stop(deadline); }
  // No thread of ours is left afterwards.
  void end() { pool_.reset(); }

 private:
  Installation& installation_;
  identity::Passwords passwords_;
  identity::Users users_;
  identity::Sessions sessions_;
  identity::SetupLink link_;
  std::unique_ptr<exec::Pool> pool_;
  native::UsersApi usersApi_;
  native::SessionApi sessionApi_;
  native::SetupApi setupApi_;
  pages::SignInPages pages_;
};

}  // namespace corbel::app

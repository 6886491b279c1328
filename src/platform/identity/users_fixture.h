// What the tests of users share: accounts that are cheap to hash, and a way to sign in.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "identity/sessions.h"
#include "identity/users.h"
#include "identity_fixture.h"
#include "limits/memory_limiter.h"

namespace corbel::identity {

inline constexpr const char* kPassword = "correct horse battery";

class UsersTest : public IdentityTest {
 protected:
  User add(std::string email, std::vector<std::string> roles,
           const std::string& tenant = "default") {
    return mustBe(users.add(
        {.email = std::move(email), .password = Secret(kPassword), .roles = std::move(roles)},
        caller(tenant, "owner"), Deadline::never()));
  }
  Result<OpenedSession> signIn(const std::string& email, const std::string& password = kPassword) {
    CORBEL_TRY(const auto user, sessions.prove(email, Secret(password), Deadline::never()));
    return sessions.open(user, {.address = "192.0.2.7", .device = "test"}, Deadline::never());
  }
  Result<PrincipalRef> whoIs(const OpenedSession& opened) {
    return sessions.verify(opened.token.reveal(), Deadline::never());
  }
  static ErrorCode codeOf(const auto& result) {
    return result ? ErrorCode::internal : result.error().code;
  }

  Passwords passwords{clock, random, {.atOnce = 2, .cost = {.memoryKiB = 64, .passes = 1}}};
  limits::MemoryLimiter limiter{clock, random};
  Users users{{*database, *directory, passwords, clock, ids}};
  Sessions sessions{{*database, *directory, passwords, limiter, clock, random, ids}, {}};
};

}  // namespace corbel::identity

#include "identity/setup_link.h"

#include <array>
#include <string>

#include "checks.h"
#include "crypto/encoding.h"
#include "crypto/sha256.h"
#include "user_store.h"

namespace corbel::identity {
namespace {

constexpr std::string_view kMark = "crl_";
constexpr std::string_view kVoid =
    "This link was used, has expired, or is not whole. Make a user on the machine of the server: "
    "corbel user add you@example.com --role owner";

}  // namespace

Result<std::optional<Secret>> SetupLink::make(Deadline deadline) {
  std::array<std::byte, 32> bits{};
  parts_.random.fill(bits);
  std::string text = std::string(kMark) + crypto::toBase64Url(bits);
  const std::string hash = crypto::hex(crypto::sha256(text));
  CORBEL_TRY(const bool made,
             parts_.database.write(
                 [&](store::Transaction& tx) -> Result<bool> {
                   CORBEL_TRY(const bool any, user_store::any(tx));
                   CORBEL_TRY(
                       const auto links,
                       tx.query("SELECT COUNT(*) FROM setup_links").one([](const store::Row& row) {
                         return row.integer(0);
                       }));
                   if (any || links.value_or(0) > 0) return false;
                   CORBEL_CHECK(
                       tx.execute("INSERT INTO setup_links (token_hash, expires_at) VALUES (?, ?)",
                                  hash, parts_.clock.now() + kValid));
                   return true;
                 },
                 deadline));
  if (!made) return std::nullopt;
  return Secret(std::move(text));
}

Result<void> SetupLink::check(store::Reader& reader, std::string_view token) const {
  CORBEL_TRY(const auto expiresAt,
             reader
                 .query("SELECT expires_at FROM setup_links WHERE token_hash = ?",
                        crypto::hex(crypto::sha256(token)))
                 .one([](const store::Row& row) { return row.time(0); }));
  CORBEL_TRY(const bool any, user_store::any(reader));
  if (expiresAt && *expiresAt > parts_.clock.now() && !any) return {};
  return fail(ErrorCode::notFound, std::string(kVoid));
}

Result<void> SetupLink::check(std::string_view token, Deadline deadline) const {
  return parts_.database.read([&](store::Reader& reader) { return check(reader, token); },
                              deadline);
}

Result<SetupLink::Opened> SetupLink::use(std::string_view token, const NewUser& owner,
                                         const SignInOrigin& origin, Deadline deadline) {
  // First: who has no link does not make us hash.
  CORBEL_CHECK(check(token, deadline));
  CORBEL_TRY(const std::string email, emailOf(owner.email));
  const std::string& name = owner.name.empty() ? email : owner.name;
  CORBEL_CHECK(checkName("/name", name));
  CORBEL_CHECK(checkPassword("/password", owner.password, email));
  CORBEL_TRY(const std::string hash, parts_.passwords.hash(owner.password, deadline));
  const ProvenUser user{.id = parts_.ids.next(), .email = email, .name = name};
  return parts_.database.write(
      [&](store::Transaction& tx) -> Result<Opened> {
        CORBEL_CHECK(check(tx, token));
        CORBEL_CHECK(tx.execute("UPDATE setup_links SET expires_at = 0"));
        CORBEL_CHECK(user_store::insert(tx, {.user = {.id = user.id,
                                                      .email = email,
                                                      .name = name,
                                                      .roles = {},
                                                      .createdBy = principalIdOf(user.id),
                                                      .createdAt = parts_.clock.now(),
                                                      .disabledAt = {},
                                                      .lastSignInAt = {}},
                                             .passwordHash = hash}));
        CORBEL_CHECK(user_store::setRoles(tx, user.id, kDefaultTenant, {std::string("owner")}));
        CORBEL_TRY(auto session, parts_.sessions.open(tx, user, origin));
        return Opened{.user = user, .session = std::move(session)};
      },
      deadline);
}

}  // namespace corbel::identity

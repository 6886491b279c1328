#include "identity/sessions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "crypto/encoding.h"
#include "identity/users.h"
#include "user_store.h"

namespace corbel::identity {
namespace {

constexpr std::string_view kMark = "cru_";
constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kTokenLength = 4 + 43;
constexpr std::chrono::seconds kAttemptWindow{15 * 60};
constexpr std::chrono::minutes kUseStep{1};
constexpr std::size_t kKnownMax = 10'000;
constexpr std::size_t kOriginMax = 200;

// One answer for every reason, so that nobody learns which accounts exist; the log learns it.
std::unexpected<Error> refused(std::string_view reason) {
  return fail(ErrorCode::unauthenticated, "The e-mail address or the password is wrong.",
              std::string(reason));
}

std::unexpected<Error> noSession(std::string_view reason) {
  return fail(ErrorCode::unauthenticated, "The session has ended. Sign in again.",
              std::string(reason));
}

// Whole and printable: it is shown to people.
std::string shortened(std::string_view text) {
  std::string kept(text.substr(0, kOriginMax));
  for (char& c : kept) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return kept;
}

std::optional<crypto::Sha256Digest> digestOf(std::string_view token) {
  if (token.size() != kTokenLength || !token.starts_with(kMark)) return std::nullopt;
  return crypto::sha256(token);
}

}  // namespace

std::size_t Sessions::DigestHash::operator()(const crypto::Sha256Digest& digest) const {
  std::size_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

limits::Decision Sessions::attempt(std::string_view email, std::string_view address) {
  // Hashed, so that a bucket's name in Redis is nobody's address.
  const std::string account = crypto::hex(crypto::sha256(emailOf(email).value_or(std::string())));
  const std::string both = account + '/' + std::string(address);
  const auto charge = [](std::string_view policy, std::string_view whose, std::uint32_t limit) {
    return limits::Charge{.key = {.tenant = {}, .principal = whose},
                          .quota = {.policy = policy, .limit = limit, .window = kAttemptWindow}};
  };
  const std::array charges{
      charge("sign-in", both, kAttemptsOfAccountAtAddress),
      charge("sign-in-account", account, kAttemptsOfAccount),
      charge("sign-in-address", address, kAttemptsOfAddress),
  };
  return parts_.limiter.admit(charges);
}

Result<ProvenUser> Sessions::prove(std::string_view email, const Secret& password,
                                   Deadline deadline) const {
  std::optional<StoredUser> found;
  if (const auto wanted = emailOf(email)) {
    CORBEL_TRY(found,
               parts_.database.read(
                   [&](store::Reader& reader) { return user_store::findByEmail(reader, *wanted); },
                   deadline));
  }
  const auto hash = found ? found->passwordHash : std::nullopt;
  CORBEL_TRY(const auto verdict, parts_.passwords.verify(hash, password, deadline));
  if (!found) return refused("sign-in: no such user");
  const std::string who = "sign-in of users/" + found->user.id;
  if (!hash) return refused(who + ": has no password");
  if (!verdict.matches) return refused(who + ": wrong password");
  if (found->user.disabledAt) return refused(who + ": is disabled");
  ProvenUser proven{.id = found->user.id, .email = found->user.email, .name = found->user.name};
  if (verdict.outdated) {
    CORBEL_TRY(proven.betterHash, parts_.passwords.hash(password, deadline));
  }
  return proven;
}

Result<OpenedSession> Sessions::open(store::Transaction& tx, const ProvenUser& user,
                                     const SignInOrigin& origin) const {
  CORBEL_TRY(const auto found, user_store::find(tx, user.id));
  if (!found || found->user.disabledAt) return refused("sign-in: was disabled meanwhile");
  const Timestamp now = parts_.clock.now();
  std::array<std::byte, kTokenBytes> bits{};
  parts_.random.fill(bits);
  std::string text = std::string(kMark) + crypto::toBase64Url(bits);
  const crypto::Sha256Digest digest = crypto::sha256(text);
  Session session{
      .id = parts_.ids.next(),
      .userId = user.id,
      .origin = {.address = shortened(origin.address), .device = shortened(origin.device)},
      .createdAt = now,
      .lastUsedAt = now,
      .expiresAt = now + options_.absolute};
  tx.about("users/" + user.id);
  CORBEL_CHECK(session_store::insert(tx, session, digest));
  CORBEL_CHECK(session_store::prune(tx, user.id, now - options_.idle, now, kPerUser));
  CORBEL_CHECK(user_store::setSignIn(tx, user.id, now));
  if (user.betterHash) CORBEL_CHECK(user_store::setHash(tx, user.id, *user.betterHash));
  return OpenedSession{std::move(session), Secret(std::move(text))};
}

Result<OpenedSession> Sessions::open(const ProvenUser& user, const SignInOrigin& origin,
                                     Deadline deadline) {
  return parts_.database.write([&](store::Transaction& tx) { return open(tx, user, origin); },
                               deadline);
}

bool Sessions::hasEnded(const Session& session) const {
  const Timestamp now = parts_.clock.now();
  return session.expiresAt <= now || session.lastUsedAt + options_.idle <= now;
}

std::optional<Result<PrincipalRef>> Sessions::tryVerify(std::string_view token) const {
  const auto digest = digestOf(token);
  if (!digest) return noSession("session: malformed token");
  const MutexLock lock(mutex_);
  const auto known = known_.find(*digest);
  const bool isFresh = known != known_.end() && known->second.until > parts_.clock.steady() &&
                       known->second.endsAt > parts_.clock.now();
  if (!isFresh) return std::nullopt;
  return known->second.principal;
}

Result<PrincipalRef> Sessions::verify(std::string_view token, Deadline deadline) {
  if (auto known = tryVerify(token)) return *std::move(known);
  struct Found {
    StoredSession stored;
    std::vector<TenantRoles> memberships;
  };
  const auto digest = digestOf(token).value_or(crypto::Sha256Digest());
  CORBEL_TRY(const auto found, parts_.database.read(
                                   [&](store::Reader& reader) -> Result<std::optional<Found>> {
                                     CORBEL_TRY(auto stored, session_store::find(reader, digest));
                                     if (!stored) return std::nullopt;
                                     CORBEL_TRY(auto roles,
                                                user_store::roles(reader, stored->session.userId));
                                     return Found{*std::move(stored), std::move(roles)};
                                   },
                                   deadline));
  if (!found) return noSession("session: unknown, or its user is disabled");
  const Session& session = found->stored.session;
  if (hasEnded(session)) return noSession("session: expired");
  Principal principal{.kind = PrincipalKind::user,
                      .id = principalIdOf(session.userId),
                      .name = found->stored.userName};
  for (const TenantRoles& held : found->memberships) {
    if (auto membership = parts_.directory.membership(held.tenant, held.roles))
      principal.memberships.push_back(*std::move(membership));
  }
  auto shared = std::make_shared<const Principal>(std::move(principal));
  remember(digest, session, shared);
  touch(session);
  return shared;
}

void Sessions::remember(const crypto::Sha256Digest& token, const Session& session,
                        PrincipalRef principal) {
  const MutexLock lock(mutex_);
  if (known_.size() >= kKnownMax) known_.clear();
  known_[token] = {.principal = std::move(principal),
                   .endsAt = std::min(session.expiresAt, session.lastUsedAt + options_.idle),
                   .until = parts_.clock.steady() + kRemembered};
}

// Not waited for: the call that used the session goes on.
void Sessions::touch(const Session& session) {
  const Timestamp now = parts_.clock.now();
  if (now - session.lastUsedAt < kUseStep) return;
  parts_.database.write(
      {.apply = [id = session.id,
                 now](store::Transaction& tx) { return session_store::touch(tx, id, now); },
       .done = [](const Result<void>&) {},
       .unitClass = store::UnitClass::bestEffort});
}

Result<Session> Sessions::find(std::string_view token, Deadline deadline) const {
  const auto digest = digestOf(token);
  if (!digest) return noSession("session: malformed token");
  CORBEL_TRY(
      const auto found,
      parts_.database.read(
          [&](store::Reader& reader) { return session_store::find(reader, *digest); }, deadline));
  if (!found || hasEnded(found->session)) return noSession("session: unknown or expired");
  return found->session;
}

Result<std::vector<Session>> Sessions::list(std::string_view userId, Deadline deadline) const {
  CORBEL_TRY(
      auto sessions,
      parts_.database.read(
          [&](store::Reader& reader) { return session_store::list(reader, userId); }, deadline));
  std::erase_if(sessions, [this](const Session& session) { return hasEnded(session); });
  return sessions;
}

Result<void> Sessions::end(std::string_view userId, std::string_view id, Deadline deadline) {
  CORBEL_CHECK(parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        tx.about(fmt::format("users/{}", userId));
        CORBEL_TRY(const auto ended, session_store::remove(tx, userId, id));
        if (ended == 0)
          return fail(ErrorCode::notFound, fmt::format("There is no session '{}'.", id));
        return {};
      },
      deadline));
  forget();
  return {};
}

Result<std::string> Sessions::emailOfUser(const Session& session, Deadline deadline) const {
  CORBEL_TRY(const auto user,
             parts_.database.read(
                 [&](store::Reader& reader) { return user_store::find(reader, session.userId); },
                 deadline));
  if (!user) return noSession("session: its user was removed");
  return user->user.email;
}

Result<void> Sessions::changePassword(const Session& session, const Secret& current,
                                      const Secret& fresh, Deadline deadline) {
  CORBEL_TRY(const std::string email, emailOfUser(session, deadline));
  CORBEL_CHECK(checkPassword("/newPassword", fresh, email));
  const auto proven = prove(email, current, deadline);
  if (!proven && proven.error().code == ErrorCode::unauthenticated)
    return failField("/currentPassword", "is wrong", ErrorCode::unprocessable);
  CORBEL_CHECK(proven);
  CORBEL_TRY(const std::string hash, parts_.passwords.hash(fresh, deadline));
  CORBEL_CHECK(parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        tx.about("users/" + session.userId);
        CORBEL_CHECK(user_store::setHash(tx, session.userId, hash));
        return session_store::removeOf(tx, session.userId, session.id);
      },
      deadline));
  forget();
  return {};
}

void Sessions::forget() {
  const MutexLock lock(mutex_);
  known_.clear();
}

}  // namespace corbel::identity

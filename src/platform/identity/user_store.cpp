#include "user_store.h"

#include "crypto/sha256.h"

namespace corbel::identity {
namespace {

StoredUser storedUserOf(const store::Row& row) {
  StoredUser stored{.user = {.id = row.string(0),
                             .email = row.string(1),
                             .name = row.string(2),
                             .roles = {},
                             .createdBy = row.string(3),
                             .createdAt = row.time(4),
                             .disabledAt = row.optionalTime(5),
                             .lastSignInAt = row.optionalTime(6)},
                    .passwordHash = row.optionalString(7)};
  stored.user.hasPassword = stored.passwordHash.has_value();
  return stored;
}

Session sessionOf(const store::Row& row) {
  return {.id = row.string(0),
          .userId = row.string(1),
          .origin = {.address = row.string(2), .device = row.string(3)},
          .createdAt = row.time(4),
          .lastUsedAt = row.time(5),
          .expiresAt = row.time(6)};
}

struct NamedRole {
  std::string of;
  std::string role;
};
NamedRole namedRoleOf(const store::Row& row) { return {row.string(0), row.string(1)}; }

std::int64_t numberOf(const store::Row& row) { return row.integer(0); }

}  // namespace

namespace user_store {

Result<std::optional<StoredUser>> find(store::Reader& reader, std::string_view id) {
  return reader
      .query(
          "SELECT id, email, name, created_by, created_at, disabled_at, last_sign_in_at, "
          "password_hash FROM users WHERE id = ?",
          id)
      .one(storedUserOf);
}

Result<std::optional<StoredUser>> findByEmail(store::Reader& reader, std::string_view email) {
  return reader
      .query(
          "SELECT id, email, name, created_by, created_at, disabled_at, last_sign_in_at, "
          "password_hash FROM users WHERE email = ?",
          email)
      .one(storedUserOf);
}

Result<std::vector<User>> list(store::Reader& reader, std::string_view tenant,
                               std::string_view after, int limit) {
  CORBEL_TRY(
      const auto found,
      reader
          .query("SELECT id, email, name, created_by, created_at, disabled_at, "
                 "last_sign_in_at, password_hash FROM users WHERE id > ? AND EXISTS (SELECT 1 "
                 "FROM user_roles WHERE user_id = users.id AND tenant_id = ?) "
                 "ORDER BY id LIMIT ?",
                 after, tenant, limit)
          .all(storedUserOf));
  std::vector<User> users;
  for (const StoredUser& stored : found) users.push_back(stored.user);
  if (users.empty()) return users;
  CORBEL_TRY(const auto roles,
             reader
                 .query("SELECT user_id, role FROM user_roles WHERE tenant_id = ? AND user_id >= ? "
                        "AND user_id <= ? ORDER BY user_id, role",
                        tenant, users.front().id, users.back().id)
                 .all(namedRoleOf));
  auto user = users.begin();
  for (const NamedRole& named : roles) {
    while (user != users.end() && user->id < named.of) ++user;
    if (user != users.end() && user->id == named.of) user->roles.push_back(named.role);
  }
  return users;
}

Result<std::int64_t> count(store::Reader& reader, std::string_view tenant) {
  CORBEL_TRY(
      const auto found,
      reader.query("SELECT COUNT(DISTINCT user_id) FROM user_roles WHERE tenant_id = ?", tenant)
          .one(numberOf));
  return found.value_or(0);
}

Result<std::int64_t> countOwners(store::Reader& reader, std::string_view tenant) {
  CORBEL_TRY(
      const auto found,
      reader
          .query("SELECT COUNT(*) FROM user_roles JOIN users ON users.id = user_roles.user_id "
                 "WHERE tenant_id = ? AND role = 'owner' AND disabled_at IS NULL",
                 tenant)
          .one(numberOf));
  return found.value_or(0);
}

Result<bool> any(store::Reader& reader) {
  CORBEL_TRY(const auto found,
             reader.query("SELECT 1 FROM users WHERE disabled_at IS NULL LIMIT 1").one(numberOf));
  return found.has_value();
}

Result<std::vector<TenantRoles>> roles(store::Reader& reader, std::string_view id) {
  CORBEL_TRY(const auto found,
             reader
                 .query("SELECT tenant_id, role FROM user_roles WHERE user_id = ? "
                        "ORDER BY tenant_id, role",
                        id)
                 .all(namedRoleOf));
  std::vector<TenantRoles> tenants;
  for (const NamedRole& named : found) {
    if (tenants.empty() || tenants.back().tenant != named.of) tenants.push_back({named.of, {}});
    tenants.back().roles.push_back(named.role);
  }
  return tenants;
}

Result<void> insert(store::Transaction& tx, const StoredUser& stored) {
  const User& user = stored.user;
  return tx.execute(
      "INSERT INTO users (id, email, name, password_hash, created_by, created_at) "
      "VALUES (?, ?, ?, ?, ?, ?)",
      user.id, user.email, user.name, stored.passwordHash, user.createdBy, user.createdAt);
}

Result<void> update(store::Transaction& tx, const StoredUser& stored) {
  const User& user = stored.user;
  return tx.execute("UPDATE users SET name = ?, password_hash = ?, disabled_at = ? WHERE id = ?",
                    user.name, stored.passwordHash, user.disabledAt, user.id);
}

Result<void> remove(store::Transaction& tx, std::string_view id) {
  return tx.execute("DELETE FROM users WHERE id = ?", id);
}

Result<void> setRoles(store::Transaction& tx, std::string_view id, std::string_view tenant,
                      const std::vector<std::string>& roles) {
  CORBEL_CHECK(
      tx.execute("DELETE FROM user_roles WHERE user_id = ? AND tenant_id = ?", id, tenant));
  for (const std::string& role : roles) {
    CORBEL_CHECK(tx.execute(
        "INSERT INTO user_roles (user_id, tenant_id, role) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        id, tenant, role));
  }
  return {};
}

Result<void> setSignIn(store::Transaction& tx, std::string_view id, Timestamp at) {
  return tx.execute("UPDATE users SET last_sign_in_at = ? WHERE id = ?", at, id);
}

Result<void> setHash(store::Transaction& tx, std::string_view id, const std::string& hash) {
  return tx.execute("UPDATE users SET password_hash = ? WHERE id = ?", hash, id);
}

}  // namespace user_store

namespace session_store {

Result<std::optional<StoredSession>> find(store::Reader& reader,
                                          const crypto::Sha256Digest& token) {
  return reader
      .query(
          "SELECT s.id, s.user_id, s.address, s.device, s.created_at, s.last_used_at, "
          "s.expires_at, u.name FROM user_sessions s JOIN users u ON u.id = s.user_id "
          "WHERE s.token_hash = ? AND u.disabled_at IS NULL",
          crypto::hex(token))
      .one([](const store::Row& row) { return StoredSession{sessionOf(row), row.string(7)}; });
}

Result<std::vector<Session>> list(store::Reader& reader, std::string_view user) {
  return reader
      .query(
          "SELECT id, user_id, address, device, created_at, last_used_at, expires_at "
          "FROM user_sessions WHERE user_id = ? ORDER BY last_used_at DESC, id DESC LIMIT 1000",
          user)
      .all(sessionOf);
}

Result<void> insert(store::Transaction& tx, const Session& session,
                    const crypto::Sha256Digest& token) {
  return tx.execute(
      "INSERT INTO user_sessions (id, token_hash, user_id, address, device, created_at, "
      "last_used_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      session.id, crypto::hex(token), session.userId, session.origin.address, session.origin.device,
      session.createdAt, session.lastUsedAt, session.expiresAt);
}

Result<void> touch(store::Transaction& tx, std::string_view id, Timestamp at) {
  return tx.execute("UPDATE user_sessions SET last_used_at = ? WHERE id = ? AND last_used_at < ?",
                    at, id, at);
}

Result<std::int64_t> remove(store::Transaction& tx, std::string_view user, std::string_view id) {
  return tx.change("DELETE FROM user_sessions WHERE user_id = ? AND id = ?", user, id);
}

Result<void> removeOf(store::Transaction& tx, std::string_view user, std::string_view kept) {
  return tx.execute("DELETE FROM user_sessions WHERE user_id = ? AND id <> ?", user, kept);
}

Result<void> prune(store::Transaction& tx, std::string_view user, Timestamp idleSince,
                   Timestamp now, int kept) {
  CORBEL_CHECK(tx.execute(
      "DELETE FROM user_sessions WHERE user_id = ? AND (expires_at <= ? OR last_used_at <= ?)",
      user, now, idleSince));
  return tx.execute(
      "DELETE FROM user_sessions WHERE user_id = ? AND id NOT IN (SELECT id FROM user_sessions "
      "WHERE user_id = ? ORDER BY last_used_at DESC, id DESC LIMIT ?)",
      user, user, kept);
}

}  // namespace session_store
}  // namespace corbel::identity

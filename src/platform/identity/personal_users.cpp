#include "identity/personal_users.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "identity/user_store.h"
#include "identity/users.h"

namespace corbel::identity {
namespace {

using personal::Erased;
using personal::Name;
using personal::Person;
using personal::Record;

struct Member {
  User user;
  bool owner = false;
};

// Whoever is meant, where it is a user of the tenant.
Result<std::optional<Member>> memberOf(store::Reader& reader, const Person& person) {
  const std::string beginning = principalIdOf("");
  if (!person.principal.starts_with(beginning)) return std::nullopt;
  const std::string id = person.principal.substr(beginning.size());
  CORBEL_TRY(auto found, user_store::find(reader, id));
  if (!found || found->user.createdAt > person.until) return std::nullopt;
  CORBEL_TRY(const auto roles, user_store::roles(reader, id));
  const auto here = std::ranges::find(roles, person.tenant, &TenantRoles::tenant);
  if (here == roles.end()) return std::nullopt;
  const bool owner = std::ranges::find(here->roles, "owner") != here->roles.end();
  return Member{std::move(found->user), owner};
}

Result<void> show(store::Database& database, const Person& person, const personal::Show& show,
                  Deadline deadline) {
  std::vector<std::string> things;
  CORBEL_CHECK(database.read(
      [&](store::Reader& reader) -> Result<void> {
        CORBEL_TRY(const auto member, memberOf(reader, person));
        if (!member) return {};
        const User& user = member->user;
        Record account;
        account.text("id", user.id).text("email", user.email).text("name", user.name);
        account.time("createdAt", user.createdAt);
        if (user.lastSignInAt) account.time("lastSignInAt", *user.lastSignInAt);
        things.push_back(account.finish());
        CORBEL_TRY(const auto sessions, session_store::list(reader, user.id));
        for (const Session& session : sessions) {
          Record record;
          record.text("session", session.id).text("address", session.origin.address);
          record.text("device", session.origin.device).time("createdAt", session.createdAt);
          things.push_back(record.finish());
        }
        return {};
      },
      deadline));
  for (const std::string& thing : things) CORBEL_CHECK(show(thing));
  return {};
}

Result<Erased> eraseMember(store::Transaction& tx, const Person& person, const Member& member) {
  CORBEL_CHECK(user_store::setRoles(tx, member.user.id, person.tenant, {}));
  if (member.owner && !member.user.disabledAt) {
    CORBEL_TRY(const auto owners, user_store::countOwners(tx, person.tenant));
    if (owners == 0)
      return fail(ErrorCode::unprocessable,
                  "This is the last user who is an owner of the tenant. Make another one an owner "
                  "first.");
  }
  CORBEL_TRY(const auto elsewhere, user_store::roles(tx, member.user.id));
  if (elsewhere.empty()) {
    CORBEL_CHECK(session_store::removeOf(tx, member.user.id, ""));
    CORBEL_CHECK(user_store::remove(tx, member.user.id));
  }
  return Erased{1};
}

Result<Erased> erase(store::Database& database, const Person& person, Deadline deadline) {
  return database.write(
      [&](store::Transaction& tx) -> Result<Erased> {
        CORBEL_CHECK(tx.execute(
            "UPDATE users SET created_by = ? WHERE created_by = ? AND id IN (SELECT user_id FROM "
            "user_roles WHERE tenant_id = ?)",
            person.pseudonym, person.principal, person.tenant));
        CORBEL_TRY(const auto member, memberOf(tx, person));
        if (!member) return Erased{};
        return eraseMember(tx, person, *member);
      },
      deadline);
}

Result<std::vector<Name>> names(store::Database& database, Deadline deadline) {
  return database.read(
      [](store::Reader& reader) -> Result<std::vector<Name>> {
        CORBEL_TRY(auto found, reader.query("SELECT DISTINCT tenant_id, user_id FROM user_roles")
                                   .all([](const store::Row& row) {
                                     return Name{row.string(0), principalIdOf(row.string(1))};
                                   }));
        CORBEL_TRY(
            auto makers,
            reader
                .query("SELECT DISTINCT tenant_id, created_by FROM users JOIN user_roles ON "
                       "user_roles.user_id = users.id")
                .all([](const store::Row& row) { return Name{row.string(0), row.string(1)}; }));
        std::ranges::move(makers, std::back_inserter(found));
        return found;
      },
      deadline);
}

}  // namespace

personal::Place personalUsers(store::Database& database) {
  return {
      .name = "users",
      .doc = "The user leaves the tenant; who belongs to no other is removed with all sessions.",
      .tables = {"users", "user_roles", "user_sessions"},
      .show = [&database](const Person& person, const personal::Show& take,
                          Deadline deadline) { return show(database, person, take, deadline); },
      .erase = [&database](const Person& person,
                           Deadline deadline) { return erase(database, person, deadline); },
      .names = [&database](Deadline deadline) { return names(database, deadline); }};
}

}  // namespace corbel::identity

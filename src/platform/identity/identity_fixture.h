// What the tests of this module share: a database with its tables, and a directory on it.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "base/id.h"
#include "base/random.h"
#include "identity/directory.h"
#include "identity/migrations.h"

namespace corbel::identity {

template <class T>
T mustBe(Result<T> result) {
  if (result) return *std::move(result);
  ADD_FAILURE() << result.error().message << " " << result.error().detail;
  std::abort();
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class IdentityTest : public testing::Test {
 protected:
  // A principal with these permissions in the tenant, and the actor that it is there.
  struct Caller {
    Principal principal;
    Actor actor() const { return {principal, principal.memberships.front()}; }
    operator Actor() const { return actor(); }  // NOLINT: reads as the actor
  };
  static Caller caller(std::string tenant, std::string role) {
    const PermissionSet permissions = *builtInRole(role);
    return {{.kind = PrincipalKind::user,
             .id = "user:test",
             .memberships = {{std::move(tenant), {std::move(role)}, permissions}}}};
  }

  void addTenant(const std::string& id) {
    mustBe(directory->createTenant({.id = id, .name = id, .quotas = {}}, caller("default", "owner"),
                                   Deadline::never()));
  }

  std::unique_ptr<store::Database> openDatabase() {
    auto opened = mustBe(store::openSqlite({.dataFolder = folder.path()}, clock));
    mustBe(store::migrateUp(*opened, migrations(), clock));
    return opened;
  }

  TemporaryFolder folder;
  ManualClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  std::unique_ptr<store::Database> database = openDatabase();
  std::unique_ptr<Directory> directory =
      mustBe(Directory::load(*database, clock, Deadline::never()));
};

}  // namespace corbel::identity

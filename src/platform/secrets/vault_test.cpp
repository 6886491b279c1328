#include "secrets/vault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "secrets/key_file.h"
#include "secrets/secrets_migrations.h"
#include "store/migration.h"

namespace corbel::secrets {
namespace {

using testing::HasSubstr;

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
  std::string file(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

constexpr Place kPlace{.table = "hooks", .column = "secret", .tenant = "acme", .row = "1"};

class VaultTest : public testing::Test {
 protected:
  Vault::Parts parts() { return {*database, random, clock, ids}; }
  Result<std::unique_ptr<Vault>> open() {
    return Vault::open(parts(), {.file = keyFile}, Deadline::never());
  }
  std::string seal(Vault& vault, const Place& place = kPlace) {
    return mustBe(vault.seal(place, Secret("hunter2"), Deadline::never()));
  }
  static std::string unseal(Vault& vault, const std::string& sealed, const Place& place = kPlace) {
    const auto opened = vault.unseal(place, sealed, Deadline::never());
    return opened ? std::string(opened->reveal()) : "error: " + opened.error().detail;
  }
  // Puts a new key in front of the file's.
  std::string rotate() { return mustBe(rotateMasterKey(keyFile, random)); }

  TemporaryFolder folder;
  const std::string keyFile = folder.file("master-key");
  SystemClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  std::unique_ptr<store::Database> database = [this] {
    auto opened = mustBe(store::openSqlite({.dataFolder = folder.path()}, clock));
    mustBe(store::migrateUp(*opened, migrations(), clock));
    return opened;
  }();
};

TEST_F(VaultTest, OpensWhatItHasSealedAlsoAfterARestart) {
  const std::string sealed = seal(*mustBe(open()));
  EXPECT_THAT(sealed, testing::Not(HasSubstr("hunter2")));
  EXPECT_EQ(unseal(*mustBe(open()), sealed), "hunter2");
}

TEST_F(VaultTest, OpensNothingAtAnotherPlace) {
  const auto vault = mustBe(open());
  const std::string sealed = seal(*vault);
  const Place others[] = {{"hooks", "secret", "acme", "2"},
                          {"hooks", "note", "acme", "1"},
                          {"keys", "secret", "acme", "1"},
                          {"hooks", "secret", "acm", "e1"}};
  for (const Place& other : others)
    EXPECT_THAT(unseal(*vault, sealed, other), HasSubstr("error")) << other.row;
}

TEST_F(VaultTest, OpensNothingOfAnotherTenant) {
  const auto vault = mustBe(open());
  Place other = kPlace;
  other.tenant = "globex";
  const std::string theirs = seal(*vault, other);
  EXPECT_THAT(unseal(*vault, theirs), HasSubstr("another tenant"));
  EXPECT_EQ(unseal(*vault, theirs, other), "hunter2");
}

TEST_F(VaultTest, OpensNothingThatWasDamaged) {
  const auto vault = mustBe(open());
  const std::string sealed = seal(*vault);
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    std::string damaged = sealed;
    damaged[at] = damaged[at] == 'A' ? 'B' : 'A';
    EXPECT_THAT(unseal(*vault, damaged), HasSubstr("error")) << at;
  }
  EXPECT_THAT(unseal(*vault, "hunter2"), HasSubstr("not sealed"));
}

TEST_F(VaultTest, MakesAMasterKeyForItsOwnerAloneAtTheFirstStart) {
  mustBe(open());
  struct stat state = {};
  ASSERT_EQ(stat(keyFile.c_str(), &state), 0);
  EXPECT_EQ(state.st_mode & 0777, 0600u);
}

TEST_F(VaultTest, RefusesToStartWithoutTheKeyOfWhatIsSealed) {
  mustBe(open());
  std::filesystem::remove(keyFile);
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::failedPrecondition);
  EXPECT_THAT(refused.error().message, HasSubstr("is missing"));
  EXPECT_FALSE(std::filesystem::exists(keyFile));
}

TEST_F(VaultTest, NamesBothKeysWhenItIsTheWrongOne) {
  const std::string right = mustBe(open())->masterKey();
  const MasterKey wrong = MasterKey::generate(random);
  ASSERT_TRUE(writeKeyFile(keyFile, wrong.text()));
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, testing::AllOf(HasSubstr(right), HasSubstr(wrong.id)));
  EXPECT_THAT(refused.error().message, testing::Not(HasSubstr(std::string(wrong.text().reveal()))));
}

TEST_F(VaultTest, ShowsNoKeyInTheComplaintAboutABadOne) {
  const std::string bad = std::string(63, 'a');
  const auto refused =
      Vault::open(parts(), {.file = keyFile, .text = Secret(bad)}, Deadline::never());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, testing::Not(HasSubstr(bad)));
  EXPECT_THAT(refused.error().message, HasSubstr("secrets.masterKey: master key 1 must be 64"));
}

TEST_F(VaultTest, TheOldMasterKeyOpensNothingAfterARotation) {
  const std::string sealed = seal(*mustBe(open()));
  const Secret old = mustBe(readKeyFile(keyFile));
  const std::string fresh = rotate();
  {
    const auto vault = mustBe(open());
    EXPECT_EQ(vault->masterKey(), fresh);
    EXPECT_EQ(unseal(*vault, sealed), "hunter2");
  }
  EXPECT_EQ(mustBe(readKeyFile(keyFile)).reveal().size(), 65u) << "one key and a line end";
  EXPECT_FALSE(Vault::open(parts(), {.file = keyFile, .text = old}, Deadline::never()));
}

TEST_F(VaultTest, RotatesWhileItRuns) {
  const auto vault = mustBe(open());
  const std::string before = seal(*vault);
  EXPECT_EQ(mustBe(vault->refresh(Deadline::never())), 0);
  const std::string fresh = rotate();
  EXPECT_EQ(mustBe(vault->refresh(Deadline::never())), 2) << "the installation's and acme's";
  EXPECT_EQ(vault->masterKey(), fresh);
  EXPECT_EQ(unseal(*vault, before), "hunter2");
  EXPECT_EQ(unseal(*mustBe(open()), before), "hunter2");
  EXPECT_EQ(mustBe(vault->refresh(Deadline::never())), 0);
}

TEST_F(VaultTest, RotatesAgainBeforeTheFirstRotationWasCarriedOut) {
  const std::string sealed = seal(*mustBe(open()));
  rotate();
  const std::string fresh = rotate();
  const auto vault = mustBe(open());
  EXPECT_EQ(vault->masterKey(), fresh);
  EXPECT_EQ(unseal(*vault, sealed), "hunter2");
  EXPECT_EQ(mustBe(readKeyFile(keyFile)).reveal().size(), 65u) << "one key and a line end";
}

TEST_F(VaultTest, RefusesARotationThatWouldLeaveAKeyOut) {
  const std::string sealed = seal(*mustBe(open()));
  for (std::size_t keys = 1; keys < MasterKeys::kMax; ++keys) rotate();
  const auto refused = rotateMasterKey(keyFile, random);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::failedPrecondition);
  EXPECT_EQ(unseal(*mustBe(open()), sealed), "hunter2");
}

TEST_F(VaultTest, KeepsTheOldKeysWhileTheFileCannotBeRead) {
  const auto vault = mustBe(open());
  const std::string sealed = seal(*vault);
  const Secret good = mustBe(readKeyFile(keyFile));
  ASSERT_TRUE(writeKeyFile(keyFile, Secret("half a ke")));
  EXPECT_FALSE(vault->refresh(Deadline::never()));
  EXPECT_EQ(unseal(*vault, sealed), "hunter2");
  ASSERT_TRUE(writeKeyFile(keyFile, good));
  EXPECT_TRUE(vault->refresh(Deadline::never()));
}

TEST_F(VaultTest, GoesOnWithARotationThatWasInterrupted) {
  const auto running = mustBe(open());
  const std::string sealed = seal(*running);
  rotate();
  // One data key of two was sealed anew, then the power went.
  mustBe(open());
  const auto second = MasterKey::generate(random);
  const auto first = mustBe(MasterKeys::parse(mustBe(readKeyFile(keyFile)).reveal(), "file"));
  ASSERT_TRUE(writeKeyFile(keyFile, MasterKeys({second, first.current()}).text()));
  const auto vault = mustBe(open());
  EXPECT_EQ(vault->masterKey(), second.id);
  EXPECT_EQ(unseal(*vault, sealed), "hunter2");
}

TEST_F(VaultTest, TakesAKeyThatAnotherProcessHasPutIntoTheFile) {
  const auto one = mustBe(open());
  const auto other = mustBe(open());
  rotate();
  mustBe(other->refresh(Deadline::never()));
  Place place = kPlace;
  place.tenant = "globex";
  const std::string sealed = seal(*other, place);
  EXPECT_EQ(unseal(*one, sealed, place), "hunter2");
}

TEST_F(VaultTest, AKeyThatIsMadeAfterARotationOfAnotherProcessOpensAfterARestart) {
  const auto one = mustBe(open());
  const auto other = mustBe(open());
  rotate();
  mustBe(other->refresh(Deadline::never()));
  // It has not looked at the file since, and the file has no old key any more.
  const std::string sealed = seal(*one);
  EXPECT_EQ(unseal(*mustBe(open()), sealed), "hunter2");
}

TEST_F(VaultTest, FinishesARotationThatItMetWhileItUnsealed) {
  const auto one = mustBe(open());
  const std::string sealed = seal(*one);
  Place place = kPlace;
  place.tenant = "globex";
  const auto other = mustBe(open());
  rotate();
  const std::string fresh = seal(*other, place);
  EXPECT_EQ(unseal(*one, fresh, place), "hunter2");
  EXPECT_EQ(mustBe(one->refresh(Deadline::never())), 2) << "the installation's and acme's";
  EXPECT_EQ(mustBe(readKeyFile(keyFile)).reveal().size(), 65u) << "one key and a line end";
}

TEST_F(VaultTest, TakesKeysFromASettingAndLeavesTheFileAlone) {
  const MasterKey old = MasterKey::generate(random);
  const MasterKey fresh = MasterKey::generate(random);
  const auto vaultWith = [&](const std::string& text) {
    return mustBe(Vault::open(parts(), {.file = keyFile, .text = Secret(text)}, Deadline::never()));
  };
  const std::string sealed = seal(*vaultWith(std::string(old.text().reveal())));
  const std::string both =
      std::string(fresh.text().reveal()) + ", " + std::string(old.text().reveal());
  EXPECT_EQ(unseal(*vaultWith(both), sealed), "hunter2");
  EXPECT_EQ(unseal(*vaultWith(std::string(fresh.text().reveal())), sealed), "hunter2");
  EXPECT_FALSE(std::filesystem::exists(keyFile));
}

}  // namespace
}  // namespace corbel::secrets

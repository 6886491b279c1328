#include "custody/custody.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/random.h"
#include "store/companion.h"

namespace corbel::custody {
namespace {

using std::chrono::minutes;

template <class T>
T mustBe(Result<T> result) {
  if (result) return *std::move(result);
  ADD_FAILURE() << result.error().message << " " << result.error().detail;
  std::abort();
}

// A store that can be watched while it removes, and that can fail.
class WatchedObjects final : public objects::ObjectStore {
 public:
  WatchedObjects(const std::filesystem::path& folder, const Clock& clock)
      : inner_(mustBe(objects::openLocalObjects(folder, clock))) {}
  Result<std::unique_ptr<objects::ObjectWriter>> begin() override { return inner_->begin(); }
  Result<objects::ObjectFile> open(const objects::Digest& digest, Deadline deadline) override {
    return inner_->open(digest, deadline);
  }
  Result<std::optional<objects::ObjectInfo>> find(const objects::Digest& digest) override {
    return inner_->find(digest);
  }
  Result<void> remove(const objects::Digest& digest) override {
    if (away) return fail(ErrorCode::internal, "The disk failed.");
    if (whileRemoving) std::exchange(whileRemoving, {})();
    return inner_->remove(digest);
  }
  objects::ObjectUsage usage() const override { return inner_->usage(); }

  bool away = false;
  std::function<void()> whileRemoving;

 private:
  std::unique_ptr<objects::ObjectStore> inner_;
};

std::filesystem::path madeFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
  return mkdtemp(pattern.data());
}

class CustodyTest : public testing::Test {
 protected:
  inline static const Deadline kSoon = Deadline::never();

  CustodyTest() {
    for (Custody* custody : {&one, &other}) {
      custody->referredToBy([this](store::Reader&, std::string_view sha256) -> Result<bool> {
        return referred.contains(std::string(sha256));
      });
    }
  }
  ~CustodyTest() override {
    database.reset();
    std::filesystem::remove_all(folder);
  }

  std::unique_ptr<store::Database> openDatabase() {
    auto opened = mustBe(store::openSqlite({.dataFolder = folder}, clock));
    EXPECT_TRUE(store::migrateUp(*opened, migrations(), clock));
    return opened;
  }
  Result<KeptObject> commit(const Custody& custody, std::string_view content,
                            Deadline deadline = kSoon) {
    auto writer = mustBe(objects.begin());
    EXPECT_TRUE(writer->append(std::as_bytes(std::span(content))));
    return custody.commit(*writer, minutes(5), deadline);
  }
  bool isThere(const objects::Digest& digest) { return mustBe(objects.find(digest)).has_value(); }
  void letGo(const objects::Digest& digest) {
    EXPECT_TRUE(database->write([&](store::Transaction& tx) { return one.letGo(tx, digest.hex()); },
                                kSoon));
  }
  std::int64_t rows() {
    return *mustBe(database->read(
        [](store::Reader& reader) {
          return reader.query("SELECT count(*) FROM object_holds").one([](const store::Row& row) {
            return row.integer(0);
          });
        },
        kSoon));
  }

  const std::filesystem::path folder = madeFolder();
  ManualClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  std::unique_ptr<store::Database> database = openDatabase();
  WatchedObjects objects{folder / "objects", clock};
  std::set<std::string> referred;
  // Two processes that share both.
  Custody one{{*database, objects, ids, clock}};
  Custody other{{*database, objects, ids, clock}};
};

TEST_F(CustodyTest, RemovesWhatWasGivenUpAndNobodyElseNeeds) {
  KeptObject kept = mustBe(commit(one, "rows"));
  const objects::Digest digest = kept.info.digest;
  EXPECT_TRUE(isThere(digest));
  one.giveUp(std::move(kept), kSoon);
  EXPECT_FALSE(isThere(digest));
  EXPECT_EQ(rows(), 0);
}

TEST_F(CustodyTest, WritesNothingThatACallsChangeCouldJoin) {
  struct Joins final : store::Companion {
    Result<void> join(store::Transaction&) override {
      ++joined;
      return {};
    }
    int joined = 0;
  } companion;
  const store::Accompanied accompanied(companion);
  one.giveUp(mustBe(commit(one, "rows")), kSoon);
  EXPECT_EQ(companion.joined, 0);
}

TEST_F(CustodyTest, KeepsWhatAnotherProcessHasJustStored) {
  const KeptObject held = mustBe(commit(other, "rows"));
  one.giveUp(mustBe(commit(one, "rows")), kSoon);
  letGo(held.info.digest);
  EXPECT_EQ(mustBe(one.sweep(kSoon)), 0);
  EXPECT_TRUE(isThere(held.info.digest));
}

TEST_F(CustodyTest, KeepsWhatARowRefersToWhenTheHoldIsOver) {
  std::optional<KeptObject> kept = mustBe(commit(one, "rows"));
  const objects::Digest digest = kept->info.digest;
  referred.insert(digest.hex());
  kept.reset();
  // The hold says that it is over without waiting.
  while (rows() > 0) EXPECT_EQ(mustBe(one.sweep(kSoon)), 0);
  EXPECT_TRUE(isThere(digest));
}

TEST_F(CustodyTest, RemovesWhatTheLastRowHasLetGo) {
  KeptObject kept = mustBe(commit(one, "rows"));
  const objects::Digest digest = kept.info.digest;
  referred.insert(digest.hex());
  one.giveUp(std::move(kept), kSoon);
  EXPECT_TRUE(isThere(digest));
  referred.clear();
  letGo(digest);
  EXPECT_EQ(mustBe(other.sweep(kSoon)), 1);
  EXPECT_FALSE(isThere(digest));
}

TEST_F(CustodyTest, RemovesWhatAProcessThatEndedHasLeft) {
  const KeptObject left = mustBe(commit(one, "rows"));
  EXPECT_EQ(mustBe(other.sweep(kSoon)), 0);
  clock.advance(minutes(6));
  EXPECT_EQ(mustBe(other.sweep(kSoon)), 1);
  EXPECT_FALSE(isThere(left.info.digest));
}

TEST_F(CustodyTest, StoresNothingWhileTheSameContentIsRemoved) {
  ErrorCode meanwhile{};
  objects.whileRemoving = [&] {
    const auto refused =
        commit(other, "rows", Deadline::after(clock, std::chrono::milliseconds(1)));
    ASSERT_FALSE(refused);
    meanwhile = refused.error().code;
  };
  one.giveUp(mustBe(commit(one, "rows")), kSoon);
  EXPECT_EQ(meanwhile, ErrorCode::aborted);
  const KeptObject kept = mustBe(commit(other, "rows"));
  EXPECT_TRUE(isThere(kept.info.digest));
}

TEST_F(CustodyTest, TriesARemovalAgainThatFailed) {
  objects.away = true;
  KeptObject kept = mustBe(commit(one, "rows"));
  const objects::Digest digest = kept.info.digest;
  one.giveUp(std::move(kept), kSoon);
  objects.away = false;
  EXPECT_EQ(mustBe(one.sweep(kSoon)), 0) << "it may still be under way";
  clock.advance(minutes(3));
  EXPECT_EQ(mustBe(one.sweep(kSoon)), 1);
  EXPECT_FALSE(isThere(digest));
}

TEST_F(CustodyTest, AProcessThatStoodStillRemovesNothing) {
  KeptObject kept = mustBe(commit(one, "rows"));
  const objects::Digest digest = kept.info.digest;
  one.referredToBy([this](store::Reader&, std::string_view) -> Result<bool> {
    clock.advance(minutes(10));
    return false;
  });
  one.giveUp(std::move(kept), kSoon);
  EXPECT_TRUE(isThere(digest));
}

}  // namespace
}  // namespace corbel::custody

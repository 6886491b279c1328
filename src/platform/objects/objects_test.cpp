#include "objects/objects.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <latch>
#include <thread>
#include <vector>

namespace {
// Called before every fsync of this program.
std::function<void(int)> onSync;
}  // namespace

extern "C" int fsync(int descriptor) {
  if (onSync) onSync(descriptor);
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}

namespace corbel::objects {
namespace {

std::span<const std::byte> bytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

// sha256("abc"), FIPS 180-4 example
constexpr std::string_view kAbc =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

class Objects : public testing::Test {
 protected:
  Objects() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    data = mkdtemp(pattern.data());
    store = reopen();
  }
  ~Objects() override { std::filesystem::remove_all(data); }

  std::unique_ptr<ObjectStore> reopen() {
    store.reset();
    return openLocalObjects(data / "objects", clock).value();
  }
  ObjectInfo put(std::string_view text) {
    auto writer = store->begin().value();
    EXPECT_TRUE(writer->append(bytesOf(text)));
    return writer->commit().value();
  }
  Result<std::string> get(const Digest& digest) {
    CORBEL_TRY(const auto file, store->open(digest, Deadline::never()));
    std::string text(static_cast<std::size_t>(file.sizeBytes()) + 1, '\0');
    CORBEL_TRY(const auto length, file.read(0, std::as_writable_bytes(std::span(text))));
    return text.substr(0, length);
  }
  std::filesystem::path pathOf(const Digest& digest) const {
    return data / "objects" / digest.hex().substr(0, 2) / digest.hex().substr(2);
  }
  std::size_t filesUnder(const char* folder) const {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data / folder)) {
      if (!entry.is_directory()) ++files;
    }
    return files;
  }

  SystemClock clock;
  std::filesystem::path data;
  std::unique_ptr<ObjectStore> store;
};

TEST(DigestTest, IsMadeOfExactlySixtyFourLowerCaseDigits) {
  EXPECT_EQ(Digest::parse(kAbc)->hex(), kAbc);
  const std::string upper = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
  const std::string good(kAbc);
  for (const std::string& bad :
       {std::string(), good.substr(1), good + "a", upper, "../" + good, good.substr(0, 61) + "/..",
        std::string("../../../../../../../../../../../../../../../../../../etc/passwd"),
        good.substr(0, 63) + '\0', good.substr(0, 63) + "g", std::string(64, '.'),
        std::string(64, '/'), "%2e%2e%2f" + good.substr(9), " " + good.substr(1),
        good.substr(0, 63) + "\n", std::string("\xef\xbc\x90") + good.substr(3)}) {
    const auto digest = Digest::parse(bad);
    ASSERT_FALSE(digest) << bad;
    EXPECT_EQ(digest.error().code, ErrorCode::invalidArgument);
  }
}

TEST_F(Objects, AreNamedByTheirBytesInWhateverPiecesTheyCame) {
  auto writer = store->begin().value();
  for (const char* piece : {"a", "", "bc"}) ASSERT_TRUE(writer->append(bytesOf(piece)));
  const auto info = writer->commit();
  ASSERT_TRUE(info);
  EXPECT_EQ(info->digest.hex(), kAbc);
  EXPECT_EQ(info->sizeBytes, 3);
  EXPECT_EQ(get(info->digest), "abc");
}

TEST_F(Objects, OfNoBytesAreObjectsToo) { EXPECT_EQ(get(put("").digest), ""); }

TEST_F(Objects, StoredTwiceAreOne) {
  const auto first = put("abc");
  EXPECT_EQ(put("abc"), first);
  EXPECT_EQ(store->usage().objects, 1);
  EXPECT_EQ(store->usage().bytes, 3);
  EXPECT_EQ(filesUnder("objects"), 1u);
}

TEST_F(Objects, ArePrivate) {
  struct stat about = {};
  ASSERT_EQ(stat(pathOf(put("abc").digest).c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  ASSERT_EQ(stat((data / "objects").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0700u);
}

TEST_F(Objects, ThatAreAbandonedLeaveNothing) {
  {
    auto writer = store->begin().value();
    ASSERT_TRUE(writer->append(bytesOf("half")));
  }
  EXPECT_EQ(filesUnder("objects"), 0u);
}

TEST_F(Objects, OfAnInterruptedProcessAreRemovedAtTheNextStart) {
  const auto kept = put("abc");
  std::ofstream(data / "objects" / "incoming" / "1") << "half";
  store = reopen();
  EXPECT_EQ(filesUnder("objects"), 1u);
  EXPECT_EQ(get(kept.digest), "abc");
  EXPECT_EQ(store->usage().bytes, 3);
  EXPECT_TRUE(store->begin());
}

TEST_F(Objects, ThatDoNotExistAreNotFound) {
  const auto digest = Digest::parse(kAbc).value();
  EXPECT_EQ(store->open(digest, Deadline::never()).error().code, ErrorCode::notFound);
  EXPECT_EQ(store->find(digest)->has_value(), false);
  EXPECT_TRUE(store->remove(digest));
}

TEST_F(Objects, OnceRemovedAreGoneButStayReadableForWhoHasThemOpen) {
  const auto info = put("abc");
  const auto open = store->open(info.digest, Deadline::never()).value();
  ASSERT_TRUE(store->remove(info.digest));
  EXPECT_EQ(store->open(info.digest, Deadline::never()).error().code, ErrorCode::notFound);
  EXPECT_EQ(store->usage().objects, 0);
  EXPECT_EQ(store->usage().bytes, 0);
  std::array<std::byte, 3> bytes{};
  EXPECT_EQ(open.read(0, bytes), 3u);
}

TEST_F(Objects, CutOffOrChangedAreRefusedUntilTheyAreStoredAgain) {
  const auto info = put("abc");
  std::filesystem::resize_file(pathOf(info.digest), 2);
  EXPECT_EQ(get(info.digest).error().code, ErrorCode::unprocessable);
  std::ofstream(pathOf(info.digest)) << "abd";
  EXPECT_EQ(get(info.digest).error().code, ErrorCode::unprocessable);
  put("abc");
  EXPECT_EQ(get(info.digest), "abc");
  EXPECT_EQ(store->usage().bytes, 3);
}

TEST_F(Objects, ChangedAfterTheyWereVerifiedAreVerifiedAgain) {
  const auto info = put("abc");
  ASSERT_EQ(get(info.digest), "abc");
  ASSERT_EQ(truncate(pathOf(info.digest).c_str(), 1), 0);
  EXPECT_EQ(get(info.digest).error().code, ErrorCode::unprocessable);
}

TEST_F(Objects, AreNotReadThroughALinkOrAPipeInTheirPlace) {
  const auto info = put("abc");
  const auto secret = data / "secret";
  std::ofstream(secret) << "abc";
  std::filesystem::remove(pathOf(info.digest));
  std::filesystem::create_symlink(secret, pathOf(info.digest));
  EXPECT_EQ(get(info.digest).error().code, ErrorCode::notFound);
  std::filesystem::remove(pathOf(info.digest));
  ASSERT_EQ(mkfifo(pathOf(info.digest).c_str(), 0600), 0);
  EXPECT_EQ(get(info.digest).error().code, ErrorCode::notFound);

  const auto folder = pathOf(info.digest).parent_path();
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(data / "elsewhere");
  std::filesystem::create_directory_symlink(data / "elsewhere", folder);
  auto writer = store->begin().value();
  ASSERT_TRUE(writer->append(bytesOf("abc")));
  EXPECT_FALSE(writer->commit());
  EXPECT_TRUE(std::filesystem::is_empty(data / "elsewhere"));
}

TEST_F(Objects, AreVerifiedWithinTheDeadline) {
  const auto info = put("abc");
  store = reopen();
  EXPECT_EQ(store->open(info.digest, Deadline::at(clock.steady())).error().code,
            ErrorCode::deadlineExceeded);
}

TEST_F(Objects, ThatWereJustStoredNeedNotBeReadAgain) {
  const auto info = put("abc");
  EXPECT_TRUE(store->open(info.digest, Deadline::at(clock.steady())));
}

// Every look at it takes a millisecond.
class SlowClock final : public Clock {
 public:
  SteadyTime steady() const override { return SteadyTime(std::chrono::milliseconds(++looks_)); }
  Timestamp now() const override { return {}; }

 private:
  mutable std::atomic<int> looks_ = 0;
};

class LargeObjects : public Objects {
 protected:
  Result<ObjectFile> getSlowly(const Digest& digest) {
    return store->open(digest, Deadline::after(slow, std::chrono::milliseconds(3)));
  }
  SlowClock slow;
};

TEST_F(LargeObjects, OnASlowDiskPassAfterAFewAttempts) {
  const auto info = put(std::string(2'000'000, 'x'));
  store.reset();
  store = openLocalObjects(data / "objects", slow).value();
  int attempts = 1;
  for (auto got = getSlowly(info.digest); !got; got = getSlowly(info.digest)) {
    ASSERT_EQ(got.error().code, ErrorCode::deadlineExceeded);
    ASSERT_LT(++attempts, 10);
  }
  EXPECT_GT(attempts, 2);
}

TEST_F(LargeObjects, ChangedBetweenTwoAttemptsAreReadFromTheBeginning) {
  const auto info = put(std::string(2'000'000, 'x'));
  store.reset();
  store = openLocalObjects(data / "objects", slow).value();
  ASSERT_FALSE(getSlowly(info.digest));
  std::fstream(pathOf(info.digest), std::ios::in | std::ios::out) << "y";
  EXPECT_EQ(get(info.digest).error().code, ErrorCode::unprocessable);
}

TEST_F(Objects, AreNotStoredInAFolderThatIsNotSafeYet) {
  std::promise<void> syncing;
  std::latch release(1);
  struct stat root = {};
  ASSERT_EQ(stat((data / "objects").c_str(), &root), 0);
  onSync = [&](int descriptor) {
    struct stat about = {};
    if (fstat(descriptor, &about) != 0 || about.st_ino != root.st_ino) return;
    syncing.set_value();
    release.wait();
  };
  auto first = std::async(std::launch::async, [&] { return put("abc"); });
  syncing.get_future().wait();
  auto second = std::async(std::launch::async, [&] { return put("abc"); });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  release.count_down();
  EXPECT_EQ(first.get(), second.get());
  onSync = nullptr;
}

TEST_F(Objects, AreReadByOffset) {
  const auto file = store->open(put("0123456789").digest, Deadline::never()).value();
  std::string middle(4, '\0');
  EXPECT_EQ(file.read(3, std::as_writable_bytes(std::span(middle))), 4u);
  EXPECT_EQ(middle, "3456");
  EXPECT_EQ(file.read(8, std::as_writable_bytes(std::span(middle))), 2u);
  EXPECT_EQ(file.read(10, std::as_writable_bytes(std::span(middle))), 0u);
}

TEST_F(Objects, AreStoredByManyThreadsAtOnce) {
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) put("object " + std::to_string(i));
      });
    }
  }
  EXPECT_EQ(store->usage().objects, 20);
  EXPECT_EQ(filesUnder("objects"), 20u);
  store = reopen();
  EXPECT_EQ(store->usage().objects, 20);
}

// A child, because the limit of the file size is the whole process's.
TEST_F(Objects, WithoutRoomFailAndLeaveNothing) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 10'000, .rlim_max = 10'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto writer = store->begin().value();
    const std::string piece(6'000, 'x');
    const bool first = writer->append(bytesOf(piece)).has_value();
    const auto second = writer->append(bytesOf(piece));
    const bool refused = !second && second.error().code == ErrorCode::insufficientStorage;
    const bool gone = filesUnder("objects") == 0;
    const bool stays = !writer->commit() && !writer->append(bytesOf("x"));
    _exit(first && refused && gone && stays ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(Objects, BelongToOneProcessAtATime) {
  const auto second = openLocalObjects(data / "objects", clock);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::unavailable);
}

TEST(ObjectFolder, ThatCannotBeMadeIsNamed) {
  const SystemClock clock;
  const auto store = openLocalObjects("/dev/null/objects", clock);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::permissionDenied);
  EXPECT_NE(store.error().message.find("/dev/null/objects"), std::string::npos);
}

}  // namespace
}  // namespace corbel::objects

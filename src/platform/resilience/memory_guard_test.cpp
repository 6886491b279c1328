#include "resilience/memory_guard.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "seeded_random_for_tests.h"

namespace corbel::resilience {
namespace {

constexpr std::uint64_t kLimit = 1000;

MemoryLevel at(MemoryGuard& guard, std::uint64_t used) {
  return guard.update({.usedBytes = used, .limitBytes = kLimit}, {});
}

TEST(MemoryGuard, GivesUpMoreTheFullerItIs) {
  MemoryGuard guard;
  EXPECT_EQ(at(guard, 750), MemoryLevel::normal);
  EXPECT_EQ(at(guard, 751), MemoryLevel::noBatch);
  EXPECT_EQ(at(guard, 851), MemoryLevel::shrink);
  EXPECT_EQ(at(guard, 921), MemoryLevel::noHeavy);
  EXPECT_EQ(at(guard, 951), MemoryLevel::noWork);
  EXPECT_EQ(guard.level(), MemoryLevel::noWork);
}

TEST(MemoryGuard, DoesNotFlickerAroundABound) {
  MemoryGuard guard;
  at(guard, 921);
  EXPECT_EQ(at(guard, 900), MemoryLevel::noHeavy);
  EXPECT_EQ(at(guard, 890), MemoryLevel::shrink);
  EXPECT_EQ(at(guard, 100), MemoryLevel::normal);
}

TEST(MemoryGuard, LooksAtTheProcessAndItsGroup) {
  MemoryGuard guard;
  EXPECT_EQ(guard.update({100, 1000}, {96, 100}), MemoryLevel::noWork);
  EXPECT_EQ(guard.update({100, 1000}, {}), MemoryLevel::normal) << "no group, no limit";
  EXPECT_EQ(guard.update({800, 1000}, {10, 100}), MemoryLevel::noBatch);
}

TEST(MemoryGuardSchedules, KeepTheBounds) {
  SeededRandom random(9);
  MemoryGuard guard;
  std::uint64_t used = 500;
  for (int step = 0; step < 1'000'000; ++step) {
    used = random.below(100) == 0 ? random.below(1'200) : used + random.below(9);
    used -= std::min<std::uint64_t>(used, 4);
    const MemoryLevel level = at(guard, used);
    ASSERT_GE(level, used > 950   ? MemoryLevel::noWork
                     : used > 920 ? MemoryLevel::noHeavy
                     : used > 850 ? MemoryLevel::shrink
                     : used > 750 ? MemoryLevel::noBatch
                                  : MemoryLevel::normal);
    ASSERT_LE(level, used > 920   ? MemoryLevel::noWork
                     : used > 890 ? MemoryLevel::noHeavy
                     : used > 820 ? MemoryLevel::shrink
                     : used > 720 ? MemoryLevel::noBatch
                                  : MemoryLevel::normal);
  }
}

class GroupMemory : public testing::Test {
 protected:
  GroupMemory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~GroupMemory() override { std::filesystem::remove_all(root_); }
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  MemoryReading read() const { return readGroupMemory(root_.string()); }

 private:
  std::filesystem::path root_;
};

TEST_F(GroupMemory, IsThatOfTheFullestGroupAround) {
  EXPECT_EQ(read().limitBytes, 0u);
  write("proc/self/cgroup", "1:name=systemd:/x\n0::/pod/app\n");
  write("sys/fs/cgroup/pod/memory.max", "1000\n");
  write("sys/fs/cgroup/pod/memory.current", "900\n");
  write("sys/fs/cgroup/pod/memory.stat", "anon 500\ninactive_file 300\n");
  write("sys/fs/cgroup/pod/app/memory.max", "max\n");
  write("sys/fs/cgroup/pod/app/memory.current", "800\n");
  EXPECT_EQ(read().limitBytes, 1000u);
  EXPECT_EQ(read().usedBytes, 600u);
}

TEST_F(GroupMemory, IsReadOfTheFirstVersionToo) {
  write("proc/self/cgroup", "9:cpu,cpuacct:/other\n4:hugetlb,memory:/pod/app\n0::/unified\n");
  const std::string mount = "sys/fs/cgroup/memory";
  write(mount + "/memory.limit_in_bytes", "9223372036854771712\n");  // what it says for none
  write(mount + "/memory.usage_in_bytes", "5000\n");
  write(mount + "/pod/app/memory.limit_in_bytes", "1000\n");
  write(mount + "/pod/app/memory.usage_in_bytes", "900\n");
  write(mount + "/pod/app/memory.stat", "inactive_file 1\ntotal_inactive_file 200\n");
  EXPECT_EQ(read().limitBytes, 1000u);
  EXPECT_EQ(read().usedBytes, 700u);
}

}  // namespace
}  // namespace corbel::resilience

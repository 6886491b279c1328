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
  EXPECT_EQ(at(guard, 951), MemoryLevel::noConnections);
  EXPECT_EQ(guard.level(), MemoryLevel::noConnections);
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
  EXPECT_EQ(guard.update({100, 1000}, {96, 100}), MemoryLevel::noConnections);
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
    ASSERT_GE(level, used > 950   ? MemoryLevel::noConnections
                     : used > 920 ? MemoryLevel::noHeavy
                     : used > 850 ? MemoryLevel::shrink
                     : used > 750 ? MemoryLevel::noBatch
                                  : MemoryLevel::normal);
    ASSERT_LE(level, used > 920   ? MemoryLevel::noConnections
                     : used > 890 ? MemoryLevel::noHeavy
                     : used > 820 ? MemoryLevel::shrink
                     : used > 720 ? MemoryLevel::noBatch
                                  : MemoryLevel::normal);
  }
}

TEST(GroupMemory, IsThatOfTheFullestGroupAround) {
  std::string pattern = (std::filesystem::temp_directory_path() / "corbel-test-XXXXXX").string();
  const std::filesystem::path root = mkdtemp(pattern.data());
  const auto write = [&](const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  };
  EXPECT_EQ(readGroupMemory(root.string()).limitBytes, 0u);
  write("proc/self/cgroup", "1:name=systemd:/x\n0::/pod/app\n");
  write("sys/fs/cgroup/pod/memory.max", "1000\n");
  write("sys/fs/cgroup/pod/memory.current", "900\n");
  write("sys/fs/cgroup/pod/memory.stat", "anon 500\ninactive_file 300\n");
  write("sys/fs/cgroup/pod/app/memory.max", "max\n");
  write("sys/fs/cgroup/pod/app/memory.current", "800\n");
  const MemoryReading reading = readGroupMemory(root.string());
  EXPECT_EQ(reading.limitBytes, 1000u);
  EXPECT_EQ(reading.usedBytes, 600u);
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace corbel::resilience

#include "exec/cpus.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace corbel::exec {
namespace {

class Machine : public testing::Test {
 protected:
  Machine() {
    root_ = std::filesystem::temp_directory_path() / ("corbel_cpus" + std::to_string(getpid()));
  }
  void SetUp() override {
    if (availableCpus("/nonexistent") < 2) GTEST_SKIP() << "needs two CPUs";
  }
  ~Machine() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, std::string_view content) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << content;
  }
  unsigned cpus() const { return availableCpus(root_); }

  std::filesystem::path root_;
};

TEST(AvailableCpus, AreAtLeastOneOnThisMachine) { EXPECT_GE(availableCpus(), 1u); }

TEST_F(Machine, WithoutAQuotaOffersEveryCpuOfTheMask) {
  const unsigned all = cpus();
  write("proc/self/cgroup", "0::/a\n");
  write("sys/fs/cgroup/a/cpu.max", "max 100000\n");
  EXPECT_EQ(cpus(), all);
}

TEST_F(Machine, ObeysTheSmallestQuotaOfAllGroupsAround) {
  write("proc/self/cgroup", "0::/a/b\n");
  write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/a/cpu.max", "50000 100000\n");
  EXPECT_EQ(cpus(), 1u);
}

TEST_F(Machine, RoundsAQuotaUp) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/cpu.max", "110000 100000\n");
  EXPECT_EQ(cpus(), 2u);
}

TEST_F(Machine, ReadsVersionOneGroups) {
  write("proc/self/cgroup", "5:memory:/a\n4:cpu,cpuacct:/a\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpus(), 1u);
}

TEST_F(Machine, IgnoresWhatItCannotRead) {
  const unsigned all = cpus();
  write("proc/self/cgroup", "nonsense\n0::relative\n0::/missing\n:\n");
  write("sys/fs/cgroup/cpu.max", "garbage\n");
  EXPECT_EQ(cpus(), all);
}

}  // namespace
}  // namespace corbel::exec

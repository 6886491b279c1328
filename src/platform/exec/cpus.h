// How many CPUs this process may really use.
#pragma once
#include <string>

namespace corbel::exec {

// The smaller of the affinity mask and the CPU quota of every control group around the process
// (cgroup v2 cpu.max, v1 cpu.cfs_quota_us), rounded up; at least 1. Reads files: ask once. `root`
// is put before /proc and /sys (for tests).
unsigned availableCpus(const std::string& root = "");

}  // namespace corbel::exec

#include "exec/cpus.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

namespace corbel::exec {
namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

std::string firstLine(const std::string& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

double ratio(const std::string& quota, const std::string& period) {
  double quotaUs = 0;
  double periodUs = 0;
  std::istringstream(quota) >> quotaUs;
  std::istringstream(period) >> periodUs;
  return quotaUs > 0 && periodUs > 0 ? quotaUs / periodUs
                                     : kUnlimited;  // "max" and -1 are no quota
}

double quotaV2(const std::string& group) {
  const std::string line = firstLine(group + "/cpu.max");
  const auto space = line.find(' ');
  return space == std::string::npos ? kUnlimited : ratio(line.substr(0, space), line.substr(space));
}

double quotaV1(const std::string& group) {
  return ratio(firstLine(group + "/cpu.cfs_quota_us"), firstLine(group + "/cpu.cfs_period_us"));
}

// The smallest quota of `path` and all groups above it. In a container the path may be the host's:
// what is not there counts nothing, the container's own group is then the mount's root.
double smallestQuota(const std::string& mount, std::string path,
                     double (*quota)(const std::string&)) {
  double smallest = quota(mount);
  while (!path.empty() && path != "/") {
    smallest = std::min(smallest, quota(mount + path));
    path.resize(path.find_last_of('/'));
  }
  return smallest;
}

bool hasController(const std::string& controllers, const std::string& name) {
  return ("," + controllers + ",").contains("," + name + ",");
}

// Lines of /proc/self/cgroup are "id:controllers:path"; version 2 has no controllers.
double cgroupQuota(const std::string& root) {
  std::ifstream groups(root + "/proc/self/cgroup");
  double smallest = kUnlimited;
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos || line.substr(second + 1, 1) != "/") continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty())
      smallest = std::min(smallest, smallestQuota(root + "/sys/fs/cgroup", path, quotaV2));
    if (hasController(controllers, "cpu")) {
      smallest = std::min(smallest, smallestQuota(root + "/sys/fs/cgroup/cpu", path, quotaV1));
    }
  }
  return smallest;
}

unsigned affinity() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return static_cast<unsigned>(CPU_COUNT(&set));
  return std::thread::hardware_concurrency();
}

}  // namespace

unsigned availableCpus(const std::string& root) {
  const double cpus = std::min<double>(affinity(), std::ceil(cgroupQuota(root)));
  return static_cast<unsigned>(std::max(1.0, cpus));
}

}  // namespace corbel::exec

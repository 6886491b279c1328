#include "resilience/memory_guard.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <utility>

#include "base/text.h"

namespace corbel::resilience {
namespace {

constexpr std::array kBeginPercent = {75.0, 85.0, 92.0, 95.0};
constexpr double kHysteresisPercent = 3;

double percentOf(const MemoryReading& reading) {
  if (reading.limitBytes == 0) return 0;
  return 100.0 * static_cast<double>(reading.usedBytes) / static_cast<double>(reading.limitBytes);
}

// Nothing: "max", or there is no such file.
std::uint64_t numberIn(const std::string& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return parseNumber<std::uint64_t>(trim(line)).value_or(0);
}

// How the two versions of control groups name the same.
struct Names {
  std::string_view mount;
  std::string_view controllers;  // in /proc/self/cgroup
  std::string_view limit;
  std::string_view used;
  std::string_view droppable;  // in memory.stat
};
constexpr Names kVersion1{.mount = "/sys/fs/cgroup/memory",
                          .controllers = "memory",
                          .limit = "/memory.limit_in_bytes",
                          .used = "/memory.usage_in_bytes",
                          .droppable = "total_inactive_file"};
constexpr Names kVersion2{.mount = "/sys/fs/cgroup",
                          .controllers = "",
                          .limit = "/memory.max",
                          .used = "/memory.current",
                          .droppable = "inactive_file"};

std::uint64_t droppable(const std::string& folder, const Names& names) {
  std::ifstream stream(folder + "/memory.stat");
  for (std::string line; std::getline(stream, line);) {
    std::string_view rest = line;
    if (takeUntil(rest, ' ') == names.droppable)
      return parseNumber<std::uint64_t>(rest).value_or(0);
  }
  return 0;
}

MemoryReading readFolder(const std::string& folder, const Names& names) {
  const std::uint64_t limit = numberIn(folder + std::string(names.limit));
  if (limit == 0) return {};
  const std::uint64_t used = numberIn(folder + std::string(names.used));
  return {.usedBytes = used - std::min(used, droppable(folder, names)), .limitBytes = limit};
}

bool hasWord(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    if (takeUntil(list, ',') == wanted) return true;
  }
  return wanted.empty();
}

// Lines are "id:controllers:path"; version 2 has no controllers.
std::string groupOf(std::string_view root, const Names& names) {
  std::ifstream groups(std::string(root) + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    std::string_view rest = line;
    takeUntil(rest, ':');
    const std::string_view controllers = takeUntil(rest, ':');
    if (controllers.empty() == names.controllers.empty() && hasWord(controllers, names.controllers))
      return std::string(rest);
  }
  return "/";
}

// In a container the path may be the host's; its own group is then the mount's root.
MemoryReading fullestOf(std::string_view root, const Names& names) {
  const std::string mount = std::string(root) + std::string(names.mount);
  MemoryReading fullest = readFolder(mount, names);
  for (std::string path = groupOf(root, names); path.size() > 1;
       path.resize(path.find_last_of('/'))) {
    const MemoryReading reading = readFolder(mount + path, names);
    if (percentOf(reading) > percentOf(fullest)) fullest = reading;
  }
  return fullest;
}

}  // namespace

std::string_view name(MemoryLevel level) {
  switch (level) {
    case MemoryLevel::normal:
      return "normal";
    case MemoryLevel::noBatch:
      return "noBatch";
    case MemoryLevel::shrink:
      return "shrink";
    case MemoryLevel::noHeavy:
      return "noHeavy";
    case MemoryLevel::noWork:
      return "noWork";
  }
  std::unreachable();
}

MemoryLevel MemoryGuard::update(const MemoryReading& process, const MemoryReading& group) {
  const double percent = std::max(percentOf(process), percentOf(group));
  auto level = static_cast<std::size_t>(level_.load(std::memory_order_relaxed));
  while (level < kBeginPercent.size() && percent > kBeginPercent[level]) ++level;
  while (level > 0 && percent <= kBeginPercent[level - 1] - kHysteresisPercent) --level;
  level_.store(static_cast<MemoryLevel>(level), std::memory_order_relaxed);
  return static_cast<MemoryLevel>(level);
}

MemoryReading readGroupMemory(std::string_view root) {
  const MemoryReading one = fullestOf(root, kVersion1);
  const MemoryReading two = fullestOf(root, kVersion2);
  return percentOf(one) > percentOf(two) ? one : two;
}

}  // namespace corbel::resilience

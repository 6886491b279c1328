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

std::uint64_t inactiveFile(const std::string& folder) {
  std::ifstream stream(folder + "/memory.stat");
  for (std::string line; std::getline(stream, line);) {
    std::string_view rest = line;
    if (takeUntil(rest, ' ') == "inactive_file")
      return parseNumber<std::uint64_t>(rest).value_or(0);
  }
  return 0;
}

MemoryReading readFolder(const std::string& folder) {
  const std::uint64_t limit = numberIn(folder + "/memory.max");
  if (limit == 0) return {};
  const std::uint64_t used = numberIn(folder + "/memory.current");
  return {.usedBytes = used - std::min(used, inactiveFile(folder)), .limitBytes = limit};
}

// Of version 2: the line "0::/path".
std::string groupOf(std::string_view root) {
  std::ifstream groups(std::string(root) + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (line.starts_with("0::/")) return line.substr(3);
  }
  return "/";
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
    case MemoryLevel::noConnections:
      return "noConnections";
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

// In a container the path may be the host's; its own group is then the mount's root.
MemoryReading readGroupMemory(std::string_view root) {
  const std::string mount = std::string(root) + "/sys/fs/cgroup";
  MemoryReading fullest = readFolder(mount);
  for (std::string path = groupOf(root); path.size() > 1; path.resize(path.find_last_of('/'))) {
    const MemoryReading reading = readFolder(mount + path);
    if (percentOf(reading) > percentOf(fullest)) fullest = reading;
  }
  return fullest;
}

}  // namespace corbel::resilience

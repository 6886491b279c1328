#include "telemetry/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "telemetry/metric_table.h"

namespace corbel::metrics {
namespace {

// Fields of /proc/self/stat, counted from behind the program's name (proc(5): field 3 is 0 here).
enum StatField : std::size_t {
  kThreads = 17,
  kVirtualBytes = 20,
  kResidentPages = 21,
  kStatFields = 22
};

std::array<double, kStatFields> readStat() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::array<double, kStatFields> fields{};
  const auto name = line.rfind(')');
  if (name == std::string::npos) return fields;
  std::istringstream rest(line.substr(name + 1));
  std::string word;
  for (std::size_t i = 0; i < fields.size() && rest >> word; ++i)
    fields[i] = i == 0 ? 0 : std::strtod(word.c_str(), nullptr);
  return fields;
}

double cpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double openFiles() {
  std::error_code ignored;
  const std::filesystem::directory_iterator files("/proc/self/fd", ignored);
  return static_cast<double>(std::distance(begin(files), end(files)));
}

double maxFiles() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

std::uint64_t residentBytes() {
  const auto pages = static_cast<std::uint64_t>(readStat()[kResidentPages]);
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::vector<Observation> observeProcess(Metrics& metrics, const Clock& clock) {
  const double start = static_cast<double>(clock.now().time_since_epoch().count()) / 1000;
  std::vector<Observation> observations;
  observations.push_back(metrics.observe(kProcessCpu, {}, cpuSeconds));
  const auto resident = [] { return static_cast<double>(residentBytes()); };
  observations.push_back(metrics.observe(kProcessResident, {}, resident));
  observations.push_back(metrics.observe(kMemoryUsage, {}, resident));
  observations.push_back(
      metrics.observe(kProcessVirtual, {}, [] { return readStat()[kVirtualBytes]; }));
  observations.push_back(metrics.observe(kProcessThreads, {}, [] { return readStat()[kThreads]; }));
  observations.push_back(metrics.observe(kProcessFiles, {}, openFiles));
  observations.push_back(metrics.observe(kProcessFilesMax, {}, maxFiles));
  observations.push_back(metrics.observe(kProcessStart, {}, [start] { return start; }));
  return observations;
}

}  // namespace corbel::metrics

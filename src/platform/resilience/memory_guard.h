// What is given up, in which order, before the memory is full and the kernel ends the process.
#pragma once
#include <atomic>
#include <cstdint>
#include <string_view>

namespace corbel::resilience {

// Each with all before it. Shares of the limit as in Envoy's overload manager, shifted to 512 MiB.
enum class MemoryLevel : std::uint8_t {
  normal,
  noBatch,  // above 75 %: no job is begun
  shrink,   // above 85 %: caches give back what they can
  noHeavy,  // above 92 %: heavy work is refused
  noWork,   // above 95 %: everything but health and administration is refused
};
std::string_view name(MemoryLevel level);  // "normal", "noBatch" ...

struct MemoryReading {
  std::uint64_t usedBytes = 0;
  std::uint64_t limitBytes = 0;  // 0: there is none
};

// A pure state machine but for the atomic that others read. A level ends 3 % of the limit below
// where it began, so that it does not flicker. Thread-safe; one thread updates.
class MemoryGuard {
 public:
  // By the reading whose share is higher: of the process, and of its control group.
  MemoryLevel update(const MemoryReading& process, const MemoryReading& group);
  MemoryLevel level() const { return level_.load(std::memory_order_relaxed); }

 private:
  std::atomic<MemoryLevel> level_ = MemoryLevel::normal;
};

// Of the control group around this process (version 2, or memory of version 1), without what the
// kernel can drop at once (inactive_file, as Kubernetes counts). `root` is put before /proc and
// /sys (for tests).
MemoryReading readGroupMemory(std::string_view root = "");

}  // namespace corbel::resilience

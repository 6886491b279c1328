// Time is injected: code that must wait or stamp takes a Clock, tests take a ManualClock.
#pragma once
#include <atomic>
#include <chrono>

namespace corbel {

using SteadyTime = std::chrono::steady_clock::time_point;
// Wall-clock time as stored and shown: milliseconds since the Unix epoch, UTC.
using Timestamp = std::chrono::sys_time<std::chrono::milliseconds>;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime steady() const = 0;  // for durations and deadlines; never goes back
  virtual Timestamp now() const = 0;      // for people and storage; may jump
};

class SystemClock final : public Clock {
 public:
  SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  Timestamp now() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
  }
};

// Stands still until told otherwise. Starts at 2026-01-01T00:00:00Z.
class ManualClock final : public Clock {
 public:
  SteadyTime steady() const override {
    return SteadyTime(std::chrono::milliseconds(elapsedMs_.load()));
  }
  Timestamp now() const override {
    return Timestamp(std::chrono::milliseconds(1767225600000 + elapsedMs_.load()));
  }
  void advance(std::chrono::milliseconds by) { elapsedMs_ += by.count(); }

 private:
  std::atomic<std::int64_t> elapsedMs_ = 0;
};

}  // namespace corbel

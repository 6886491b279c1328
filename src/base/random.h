// Unpredictable bytes, injected so that tests can fix them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace corbel {

// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::byte> bytes) = 0;
};

// The kernel's generator (getrandom(2)), fit for secrets. Ends the process if the kernel refuses.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::byte> bytes) override;
};

}  // namespace corbel

// Identifiers of stored things: UUIDv7 (RFC 9562, 5.7), so that ids sort by creation time. Not
// secrets.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"

namespace corbel {

// Thread-safe. Ids of one source are strictly increasing, also within a millisecond and when the
// clock goes back.
class IdSource {
 public:
  IdSource(const Clock& clock, Random& random) : clock_(clock), random_(random) {}
  // 36 characters, lower case.
  std::string next();

 private:
  const Clock& clock_;
  Random& random_;
  std::atomic<std::uint64_t> last_ = 0;  // milliseconds << 12 | sequence
};

// True for 8-4-4-4-12 lower-case hexadecimal digits.
bool isUuid(std::string_view text);

}  // namespace corbel

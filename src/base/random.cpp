#include "base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

namespace corbel {

void SystemRandom::fill(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    // Without randomness every secret would be guessable: there is nothing sensible left to do.
    if (got < 0) std::abort();
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace corbel

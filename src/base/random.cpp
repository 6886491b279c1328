#include "base/random.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

namespace corbel {
namespace {

void fillFromKernel(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    // Without randomness every secret would be guessable: there is nothing sensible left to do.
    if (got < 0) std::abort();
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

// A system call for every id would cost more than a prediction does, so each thread draws from a
// small reserve. Bytes are wiped as they are handed out.
struct Reserve {
  std::array<std::byte, 1024> bytes;
  std::size_t left = 0;
};
thread_local Reserve reserve;

}  // namespace

void SystemRandom::fill(std::span<std::byte> bytes) {
  if (bytes.size() > reserve.bytes.size() / 4) return fillFromKernel(bytes);
  if (reserve.left < bytes.size()) {
    fillFromKernel(reserve.bytes);
    reserve.left = reserve.bytes.size();
  }
  reserve.left -= bytes.size();
  const auto from = std::span(reserve.bytes).subspan(reserve.left, bytes.size());
  std::ranges::copy(from, bytes.begin());
  std::ranges::fill(from, std::byte{0});
}

}  // namespace corbel

#include "base/id.h"

#include <algorithm>
#include <array>
#include <span>

namespace corbel {

std::string IdSource::next() {
  const auto now = static_cast<std::uint64_t>(clock_.now().time_since_epoch().count()) << 12;
  std::uint64_t last = last_.load(std::memory_order_relaxed);
  std::uint64_t stamp = 0;
  do {
    stamp = std::max(now, last + 1);
  } while (!last_.compare_exchange_weak(last, stamp, std::memory_order_relaxed));

  std::array<std::byte, 16> bytes{};
  random_.fill(std::span(bytes).subspan(8));
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<std::byte>(stamp >> (52 - 8 * i));
  bytes[6] = static_cast<std::byte>(0x70 | ((stamp >> 8) & 0x0f));
  bytes[7] = static_cast<std::byte>(stamp);
  bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};

  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string id;
  id.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) id += '-';
    id += kHex[std::to_integer<std::size_t>(bytes[i] >> 4)];
    id += kHex[std::to_integer<std::size_t>(bytes[i] & std::byte{0x0f})];
  }
  return id;
}

bool isUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

}  // namespace corbel

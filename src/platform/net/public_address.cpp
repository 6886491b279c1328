#include "net/public_address.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace corbel::net {
namespace {

struct Range4 {
  std::uint32_t first;
  int bits;
};

constexpr std::uint32_t ip(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

// IANA IPv4 Special-Purpose Address Registry.
constexpr std::array<Range4, 15> kSpecial4 = {{
    {ip(0, 0, 0, 0), 8},        // this network
    {ip(10, 0, 0, 0), 8},       // private
    {ip(100, 64, 0, 0), 10},    // shared, carrier-grade NAT
    {ip(127, 0, 0, 0), 8},      // loopback
    {ip(169, 254, 0, 0), 16},   // link-local, metadata services
    {ip(172, 16, 0, 0), 12},    // private
    {ip(192, 0, 0, 0), 24},     // protocol assignments
    {ip(192, 0, 2, 0), 24},     // documentation
    {ip(192, 88, 99, 0), 24},   // 6to4 relays
    {ip(192, 168, 0, 0), 16},   // private
    {ip(198, 18, 0, 0), 15},    // benchmarks
    {ip(198, 51, 100, 0), 24},  // documentation
    {ip(203, 0, 113, 0), 24},   // documentation
    {ip(224, 0, 0, 0), 4},      // multicast
    {ip(240, 0, 0, 0), 4},      // reserved, broadcast
}};

bool isPublic4(std::uint32_t address) {
  return std::ranges::none_of(kSpecial4, [&](const Range4& range) {
    return (address ^ range.first) >> (32 - range.bits) == 0;
  });
}

// Only 2000::/3 is given out; within it the ranges of the IANA IPv6 Special-Purpose registry, and
// 2002::/16, whose addresses carry an IPv4 address.
bool isPublic6(const std::array<std::uint8_t, 16>& address) {
  const auto word = [&](std::size_t at) {
    return static_cast<std::uint32_t>(address[2 * at] << 8 | address[2 * at + 1]);
  };
  if ((word(0) & 0xe000) != 0x2000) return false;
  if (word(0) == 0x2001 && (word(1) < 0x0200 || word(1) == 0x0db8)) return false;
  return word(0) != 0x2002 && (word(0) != 0x3fff || word(1) >= 0x1000);
}

}  // namespace

bool isPublic(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &address, sizeof(four));
    return isPublic4(ntohl(four.sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 six{};
  std::memcpy(&six, &address, sizeof(six));
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &six.sin6_addr, bytes.size());
  return isPublic6(bytes);
}

bool isThisMachine(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &address, sizeof(four));
    return ntohl(four.sin_addr.s_addr) >> 24 == 127;
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 six{};
  std::memcpy(&six, &address, sizeof(six));
  return std::memcmp(&six.sin6_addr, &in6addr_loopback, sizeof(in6addr_loopback)) == 0;
}

}  // namespace corbel::net

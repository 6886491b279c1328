// A hash for tables whose keys strangers choose: without the seed nobody can make keys that meet in
// one slot.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace corbel::limits {

// SipHash-1-3 (Aumasson and Bernstein 2012, with the rounds that Rust's and Python's tables use).
class SipHash {
 public:
  SipHash(std::uint64_t seed0, std::uint64_t seed1)
      : v0_(seed0 ^ 0x736f6d6570736575),
        v1_(seed1 ^ 0x646f72616e646f6d),
        v2_(seed0 ^ 0x6c7967656e657261),
        v3_(seed1 ^ 0x7465646279746573) {}

  // Once.
  std::uint64_t of(std::string_view text) {
    const std::uint64_t length = text.size();
    for (; text.size() >= 8; text.remove_prefix(8)) absorb(wordOf(text.substr(0, 8)));
    absorb(wordOf(text) | length << 56);
    v2_ ^= 0xff;
    for (int i = 0; i < 3; ++i) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  static std::uint64_t wordOf(std::string_view upTo8) {
    static_assert(std::endian::native == std::endian::little);
    std::uint64_t word = 0;
    std::memcpy(&word, upTo8.data(), upTo8.size());
    return word;
  }
  void absorb(std::uint64_t word) {
    v3_ ^= word;
    round();
    v0_ ^= word;
  }
  void round() {
    v0_ += v1_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v3_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ += v3_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v2_ = std::rotl(v2_, 32);
  }

  std::uint64_t v0_, v1_, v2_, v3_;
};

}  // namespace corbel::limits

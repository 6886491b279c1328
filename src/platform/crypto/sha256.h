// SHA-256 (FIPS 180-4) by OpenSSL, which uses the processor's SHA instructions where it has them.
#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace corbel::crypto {

using Sha256Digest = std::array<std::byte, 32>;

// Of data that arrives in pieces. One thread at a time; movable. All functions of this header end
// the process when OpenSSL offers no SHA-256, because nothing that relies on it could go on safely.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
  // The digest of everything since construction or the last finish(); starts anew.
  Sha256Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// Of data at hand. Thread-safe; does not allocate after a thread's first call.
Sha256Digest sha256(std::span<const std::byte> bytes);
inline Sha256Digest sha256(std::string_view text) { return sha256(std::as_bytes(std::span(text))); }

// 64 lower-case hexadecimal digits.
std::string hex(const Sha256Digest& digest);

}  // namespace corbel::crypto

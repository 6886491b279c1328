#include "crypto/password_hash.h"

#include <argon2.h>

#include <array>

#include "base/text.h"

namespace corbel::crypto {
namespace {

constexpr std::string_view kForm = "$argon2id$v=19$";
constexpr std::size_t kHashBytes = 32;
constexpr std::uint32_t kMemoryMaxKiB = 1 << 20;
constexpr std::uint32_t kPassesMax = 100;

std::unexpected<Error> failed(int code) {
  if (code == ARGON2_MEMORY_ALLOCATION_ERROR || code == ARGON2_THREAD_FAIL)
    return fail(ErrorCode::unavailable, "There is no memory for a password now. Try again.");
  return fail(ErrorCode::internal, "The password could not be hashed.", argon2_error_message(code));
}

// "m=19456" with the name "m" into its number.
std::optional<std::uint32_t> parameter(std::string_view text, std::string_view name) {
  if (!text.starts_with(name)) return std::nullopt;
  return parseNumber<std::uint32_t>(text.substr(name.size()));
}

}  // namespace

std::optional<PasswordCost> costOf(std::string_view hash) {
  if (!hash.starts_with(kForm)) return std::nullopt;
  hash.remove_prefix(kForm.size());
  std::string_view parameters = takeUntil(hash, '$');
  const auto memory = parameter(takeUntil(parameters, ','), "m=");
  const auto passes = parameter(takeUntil(parameters, ','), "t=");
  if (!memory || !passes || parameters != "p=1") return std::nullopt;
  return PasswordCost{.memoryKiB = *memory, .passes = *passes};
}

Result<std::string> hashPassword(std::string_view password, PasswordSalt salt, PasswordCost cost) {
  std::array<char, 256> text{};
  const int code =
      argon2id_hash_encoded(cost.passes, cost.memoryKiB, 1, password.data(), password.size(),
                            salt.data(), salt.size(), kHashBytes, text.data(), text.size());
  if (code != ARGON2_OK) return failed(code);
  return std::string(text.data());
}

Result<bool> matchesPassword(const std::string& hash, std::string_view password) {
  const auto cost = costOf(hash);
  if (!cost || cost->memoryKiB > kMemoryMaxKiB || cost->passes > kPassesMax) return false;
  const int code = argon2id_verify(hash.c_str(), password.data(), password.size());
  if (code == ARGON2_MEMORY_ALLOCATION_ERROR || code == ARGON2_THREAD_FAIL) return failed(code);
  return code == ARGON2_OK;
}

}  // namespace corbel::crypto

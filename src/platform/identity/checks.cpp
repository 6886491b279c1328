#include "checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>

namespace corbel::identity {
namespace {

constexpr std::size_t kMaxWord = 63;
constexpr std::size_t kMaxName = 100;

bool isWordCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}
bool isControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

Result<void> checkWord(std::string_view pointer, std::string_view word) {
  const bool good = !word.empty() && word.size() <= kMaxWord &&
                    std::ranges::all_of(word, isWordCharacter) && !word.starts_with('-') &&
                    !word.ends_with('-');
  if (good) return {};
  return failField(std::string(pointer),
                   "must be 1 to 63 lower-case letters, digits and '-', with no '-' at the ends");
}

Result<void> checkName(std::string_view pointer, std::string_view name) {
  if (!name.empty() && name.size() <= kMaxName && std::ranges::none_of(name, isControl)) return {};
  return failField(std::string(pointer),
                   "must be 1 to 100 bytes long and without control characters");
}

Result<void> checkDelegation(PermissionSet permissions, const Actor& by) {
  const PermissionSet excess = permissions.without(by.membership.permissions);
  if (excess.empty()) return {};
  return failField("/permissions",
                   fmt::format("has {}, which you do not have", fmt::join(excess.names(), ", ")),
                   ErrorCode::permissionDenied);
}

}  // namespace corbel::identity

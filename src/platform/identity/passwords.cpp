#include "identity/passwords.h"

#include <fmt/format.h>

#include <array>
#include <set>

#include "base/text.h"

namespace corbel::identity {
namespace {

constexpr std::size_t kDifferentMin = 5;

}  // namespace

Result<void> checkPassword(std::string_view pointer, const Secret& password,
                           std::string_view email) {
  const std::string_view text = password.reveal();
  const auto wrong = [&](std::string message) {
    return failField(std::string(pointer), std::move(message));
  };
  if (text.size() < kPasswordMin || text.size() > kPasswordMax)
    return wrong(fmt::format("must be {} to {} bytes long", kPasswordMin, kPasswordMax));
  if (std::set<char>(text.begin(), text.end()).size() < kDifferentMin)
    return wrong(fmt::format("must have at least {} different characters", kDifferentMin));
  if (equalsIgnoringCase(text, email)) return wrong("must not be the e-mail address");
  return {};
}

// One of the hashings that may run at once, given back with the scope.
class Passwords::Turn {
 public:
  static Result<Turn> wait(Passwords& passwords, Deadline deadline) {
    MutexLock lock(passwords.mutex_);
    while (passwords.running_ >= passwords.options_.atOnce) {
      if (!waitUntil(lock, passwords.ended_, deadline, passwords.clock_))
        return fail(ErrorCode::deadlineExceeded, "Too many passwords are checked at once.");
    }
    ++passwords.running_;
    return Turn(passwords);
  }
  Turn(Turn&& other) noexcept : passwords_(std::exchange(other.passwords_, nullptr)) {}
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (passwords_ == nullptr) return;
    const MutexLock lock(passwords_->mutex_);
    --passwords_->running_;
    passwords_->ended_.notify_one();
  }

 private:
  explicit Turn(Passwords& passwords) : passwords_(&passwords) {}
  Passwords* passwords_;
};

Result<std::string> Passwords::hashNow(const Secret& password) {
  std::array<std::byte, 16> salt{};
  random_.fill(salt);
  return crypto::hashPassword(password.reveal(), salt, options_.cost);
}

Result<std::string> Passwords::hash(const Secret& password, Deadline deadline) {
  CORBEL_TRY(const Turn turn, Turn::wait(*this, deadline));
  return hashNow(password);
}

Result<Passwords::Verdict> Passwords::verify(const std::optional<std::string>& hash,
                                             const Secret& password, Deadline deadline) {
  CORBEL_TRY(const Turn turn, Turn::wait(*this, deadline));
  if (!hash) {
    CORBEL_CHECK(hashNow(password));
    return Verdict{};
  }
  CORBEL_TRY(const bool matches, crypto::matchesPassword(*hash, password.reveal()));
  return Verdict{.matches = matches, .outdated = crypto::costOf(*hash) != options_.cost};
}

}  // namespace corbel::identity

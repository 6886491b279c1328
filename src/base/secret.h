// A value that must not be seen: passwords, keys, tokens.
#pragma once
#include <string>
#include <string_view>
#include <utility>

namespace corbel {

// Cannot be printed, logged or compared by accident: the text comes out of reveal() only, at the
// one place that uses it. Its memory is wiped when it goes.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : text_(other.text_) { other.wipe(); }
  Secret& operator=(Secret other) noexcept {
    text_.swap(other.text_);
    return *this;
  }
  ~Secret() { wipe(); }

  bool empty() const { return text_.empty(); }
  std::string_view reveal() const { return text_; }

 private:
  void wipe();

  std::string text_;
};

}  // namespace corbel

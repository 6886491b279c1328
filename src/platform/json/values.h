// Member types of described structs that C++ has no word for.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace corbel::json {

// A field of a JSON merge patch (RFC 7396): absent leaves the value, null clears it.
template <class T>
class Patch {
 public:
  using Value = T;

  Patch() = default;
  Patch(T value) : value_(std::move(value)), given_(true) {}  // NOLINT: a patch reads as its value
  static Patch null() {
    Patch patch;
    patch.given_ = true;
    return patch;
  }

  bool absent() const { return !given_; }
  bool clears() const { return given_ && !value_; }
  const T* value() const { return value_ ? &*value_ : nullptr; }  // nullptr: absent or null
  T& emplace() {
    given_ = true;
    return value_.emplace();
  }

  void applyTo(std::optional<T>& current) const {
    if (given_) current = value_;
  }
  void applyTo(T& current) const {  // null gives a value-initialised T
    if (given_) current = value_.value_or(T{});
  }
  bool operator==(const Patch&) const = default;

 private:
  std::optional<T> value_;
  bool given_ = false;
};

// Any valid JSON value, untouched: a view into the text that was decoded, which must outlive it.
// Names may be given twice inside; whoever reads it decides.
struct Raw {
  std::string_view text = "null";
};

// Any valid JSON value, kept and written back as it came. No name is given twice inside.
struct Document {
  std::string text = "null";
  bool operator==(const Document&) const = default;
};

}  // namespace corbel::json

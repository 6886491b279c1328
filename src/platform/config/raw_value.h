// A setting's value as a source wrote it, before its type is known.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace corbel::config {

struct RawValue {
  enum class Kind : std::uint8_t { scalar, list, table };

  Kind kind = Kind::scalar;
  std::string text{};  // scalar; numbers and truth values as text too
  std::vector<RawValue> list{};
  std::map<std::string, RawValue> table{};
};

}  // namespace corbel::config

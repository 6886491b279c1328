// Where in a document a byte stands, for messages about text that cannot be read.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace corbel::json {

// The JSON pointer of the value that `offset` lies in: of its container where a field's name is
// expected, and of the last container that fits where the place is nested deeper than
// limits::kJsonDepth or its pointer is longer than 512 bytes. The text in front of `offset` may be
// anything.
std::string pointerAt(std::string_view json, std::size_t offset);

}  // namespace corbel::json

// Names in free-form JSON.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace corbel::json {

// A name that some object in `json`, which is valid, gives twice. O(n log n), whatever the names
// are.
std::optional<std::string> repeatedName(std::string_view json);

}  // namespace corbel::json

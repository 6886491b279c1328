// Help for mistyped names.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace corbel::config {

// "; did you mean server.port?" with the nearest of `names`, or nothing when none is near.
std::string didYouMean(std::string_view name, std::span<const std::string> names);

// `text` without control characters and at most 80 bytes long.
std::string printable(std::string_view text);

}  // namespace corbel::config

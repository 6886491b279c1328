#pragma once
#include <string_view>

namespace corbel::app {

inline constexpr std::string_view kVersion = CORBEL_VERSION;

}  // namespace corbel::app

// Model files of the demo data; the files of examples/seed.
#pragma once
#include <string_view>

namespace corbel::app {

extern const std::string_view kHousePrices;
extern const std::string_view kMachineFailure;

}  // namespace corbel::app

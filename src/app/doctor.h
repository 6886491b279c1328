// `corbel doctor`: what is wrong with an installation, and how to mend it. See docs/operations.md.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/settings.h"

namespace corbel::app {

enum class Health : std::uint8_t { ok, warning, failed };

struct Finding {
  std::string name;
  Health health = Health::ok;
  std::string what;
  std::string mend = {};  // empty when there is nothing to mend
};

// Looks at everything that the settings name; changes nothing, and takes a few seconds at most
// (each dependency has three). May run beside a server.
std::vector<Finding> examine(const config::Configuration& configuration, const Clock& clock);

}  // namespace corbel::app

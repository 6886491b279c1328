// `corbel serve`: from settings to a server that runs until it is told to stop.
#pragma once
#include "config/settings.h"

namespace corbel::app {

// Returns the exit code. Blocks until SIGTERM or SIGINT.
int serve(const config::Configuration& configuration);

}  // namespace corbel::app

// The commands that look after an installation; each answers the exit code.
#pragma once
#include "app/command_line.h"
#include "base/result.h"
#include "config/settings.h"

namespace corbel::app {

int backUp(const BackUp& command, const config::Settings& settings, Output output);
int restore(const Restore& command, const config::Settings& settings, Output output);
int seed(const Seed& command, const config::Settings& settings, Output output);
int examine(const config::Configuration& configuration, Output output);
// What doctor finds where the settings cannot be read.
int showBadSettings(const Error& error, Output output);

}  // namespace corbel::app

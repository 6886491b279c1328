// Runs a command and returns the exit code of the process.
#pragma once
#include "app/command_line.h"

namespace corbel::app {

int run(const Invocation& invocation);

}  // namespace corbel::app

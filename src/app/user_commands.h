// `corbel user`: people who sign in, on the command line.
#pragma once
#include "app/command_line.h"
#include "config/settings.h"

namespace corbel::app {

// The exit code. Passwords are asked for on a terminal, else read from a line of standard input.
int manageUsers(const UserCommand& command, const config::Settings& settings, Output output);

}  // namespace corbel::app

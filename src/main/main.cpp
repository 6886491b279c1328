#include <cstddef>
#include <span>
#include <variant>

#include "app/command_line.h"
#include "app/commands.h"
#include "app/inspection.h"
#include "exec/child.h"

int main(int argc, char** argv) {
  using namespace corbel;
  if (const auto task = exec::childTask({argv, static_cast<std::size_t>(argc)})) {
    return task->name == app::kInspectTask ? app::runInspection(*task) : app::kUsage;
  }
  const auto parsed = app::parseCommandLine(argc, argv);
  if (const int* exitCode = std::get_if<int>(&parsed)) return *exitCode;
  return app::run(std::get<app::Invocation>(parsed));
}

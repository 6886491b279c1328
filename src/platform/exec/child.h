// Work that may crash, leak or be attacked runs in a child process: the program's own binary,
// started again, with limits.
//
// The parent calls runChild(). main() of the program asks childTask() first; for a child it runs
// the named task, which opens what it needs (libraries), calls enterSandbox() and only then touches
// the bytes it was given.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/limits.h"
#include "base/result.h"

namespace corbel::exec {

struct SandboxLimits {
  std::uint64_t memoryBytes =
      256 * limits::kMiB;  // of address space; not enforced in builds with sanitizers
  std::uint64_t cpuSeconds = 5;
  std::uint64_t fileBytes = 0;   // of any file written
  std::uint64_t openFiles = 16;  // the standard ones and those handed over included
  bool threads = false;          // whether it may start threads
};

struct ChildSpec {
  std::string task;
  std::vector<std::string> arguments{};
  // Open descriptors of the caller that the child finds as 3, 4, ... in this order. It has no
  // others but its output.
  std::vector<int> descriptors{};
  SandboxLimits limits{};
  std::size_t outputBytes = 1 * limits::kMiB;  // of standard output and of standard error, each
};

enum class Ending : std::uint8_t {
  exited,         // by itself; see status
  deadline,       // killed: the time was up
  outputTooLong,  // killed: it wrote more than outputBytes
  cpuLimit,       // killed: it used more than cpuSeconds
  crashed,        // died of a signal; see status
};

struct ChildResult {
  Ending ending = Ending::exited;
  int status = 0;      // exit status, or number of the signal
  std::string output;  // standard output and standard error, at most outputBytes each
  std::string errors;
};

// What happened, for a message: "exited with status 3", "was stopped after its time", "crashed
// (signal 11)".
std::string describe(const ChildResult& result);

// Starts the task with an empty environment in "/" and waits for its end; blocks until then or
// until the deadline. No process is left behind. Thread-safe. unavailable: no process could be
// started (detail says why).
Result<ChildResult> runChild(const ChildSpec& spec, Deadline deadline, const Clock& clock);

// What a child was started for.
struct ChildTask {
  std::string name;
  std::vector<std::string> arguments;
  SandboxLimits limits;
};

// The task when this process was started by runChild(), else nothing.
std::optional<ChildTask> childTask(std::span<char* const> arguments);

// Gives up, for good, what a child has no need of: limits (memory, CPU, files, processes), no new
// privileges, no file can be opened (Landlock where the kernel has it) and only the system calls of
// computing, of reading and writing open descriptors and of memory are answered (seccomp); others
// fail with EPERM. Dies with its parent. failed_precondition: the kernel refused; the child must
// then end.
Result<void> enterSandbox(const SandboxLimits& limits);

}  // namespace corbel::exec

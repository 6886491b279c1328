#include "exec/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/descriptor.h"
#include "base/text.h"

namespace corbel::exec {
namespace {

constexpr std::string_view kMarker = "child-process";
constexpr int kFirstFree = 200;  // above every descriptor number that a child finds
constexpr std::chrono::milliseconds kPollAtMost{60'000};

std::unexpected<Error> cannotStart(std::string_view what, int error) {
  return fail(ErrorCode::unavailable, "a process could not be started; try again later",
              fmt::format("{}: {}", what, std::generic_category().message(error)));
}

// One stream that the child writes.
struct Stream {
  Descriptor readEnd;
  Descriptor writeEnd;
  std::string text;

  Result<void> open() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return cannotStart("pipe", errno);
    readEnd = Descriptor(ends[0]);
    writeEnd = Descriptor(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return {};
  }

  // Takes what is there. false: it is more than `bound`.
  bool read(std::size_t bound) {
    std::array<char, 16 * limits::kKiB> chunk;
    while (readEnd.number() >= 0) {
      const ssize_t count = ::read(readEnd.number(), chunk.data(), chunk.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return true;
      if (count <= 0) {
        readEnd.close();
        return true;
      }
      const std::size_t room = bound - text.size();
      text.append(chunk.data(), std::min(room, static_cast<std::size_t>(count)));
      if (static_cast<std::size_t>(count) > room) return false;
    }
    return true;
  }
};

std::string encode(const SandboxLimits& limits) {
  return fmt::format("{},{},{},{},{}", limits.memoryBytes, limits.cpuSeconds, limits.fileBytes,
                     limits.openFiles, limits.threads ? 1 : 0);
}

std::uint64_t takeNumber(std::string_view& rest) {
  return parseNumber<std::uint64_t>(takeUntil(rest, ',')).value_or(0);
}

SandboxLimits decode(std::string_view rest) {
  SandboxLimits limits;
  limits.memoryBytes = takeNumber(rest);
  limits.cpuSeconds = takeNumber(rest);
  limits.fileBytes = takeNumber(rest);
  limits.openFiles = takeNumber(rest);
  limits.threads = takeNumber(rest) != 0;
  return limits;
}

class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  void duplicate(int from, int to) {
    error_ |= posix_spawn_file_actions_adddup2(&actions_, from, to);
  }
  void openNull(int to) {
    error_ |= posix_spawn_file_actions_addopen(&actions_, to, "/dev/null", O_RDONLY, 0);
  }
  void changeFolder(const char* folder) {
    error_ |= posix_spawn_file_actions_addchdir_np(&actions_, folder);
  }
  void closeFrom(int first) {
    error_ |= posix_spawn_file_actions_addclosefrom_np(&actions_, first);
  }
  int error() const { return error_; }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
  int error_ = 0;
};

// Default signal handling, nothing blocked: a thread of the parent may have blocked or ignored
// anything.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

// A started child. Killed and reaped at the latest when it goes.
class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      kill();
      reap();
    }
  }

  Result<void> start(const ChildSpec& spec, int output, int errors);
  void kill() const { ::kill(pid_, SIGKILL); }
  int handle() const { return handle_.number(); }

  siginfo_t reap() {
    siginfo_t end{};
    while (waitid(P_PID, static_cast<id_t>(pid_), &end, WEXITED) != 0 && errno == EINTR) {
    }
    pid_ = 0;
    return end;
  }

 private:
  pid_t pid_ = 0;
  Descriptor handle_;
};

Result<void> Child::start(const ChildSpec& spec, int output, int errors) {
  SpawnActions actions;
  const SpawnAttributes attributes;
  std::vector<Descriptor> copies;  // so that no duplication overwrites the source of a later one
  std::vector<int> sources{output, errors};
  sources.insert(sources.end(), spec.descriptors.begin(), spec.descriptors.end());
  actions.openNull(STDIN_FILENO);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const int copy = fcntl(sources[i], F_DUPFD_CLOEXEC, kFirstFree);
    if (copy < 0) return cannotStart("a descriptor to hand over", errno);
    copies.emplace_back(copy);
    actions.duplicate(copy, static_cast<int>(i) + STDOUT_FILENO);
  }
  actions.changeFolder("/");
  actions.closeFrom(static_cast<int>(sources.size()) + STDOUT_FILENO);
  if (actions.error() != 0) return cannotStart("spawn actions", ENOMEM);

  std::vector<std::string> texts{"corbel", std::string(kMarker), encode(spec.limits), spec.task};
  texts.insert(texts.end(), spec.arguments.begin(), spec.arguments.end());
  std::vector<char*> arguments;
  arguments.reserve(texts.size() + 1);
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  std::array<char*, 1> environment{nullptr};
  const int error = posix_spawn(&pid_, "/proc/self/exe", actions.get(), attributes.get(),
                                arguments.data(), environment.data());
  if (error != 0) {
    pid_ = 0;
    return cannotStart("spawn", error);
  }
  handle_ = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (handle_.number() < 0) return cannotStart("pidfd_open", errno);
  return {};
}

int pollTimeout(Deadline deadline, const Clock& clock) {
  // One more: remaining() rounds down, and polling for 0 ms would spin.
  return static_cast<int>(std::min(deadline.remaining(clock), kPollAtMost).count()) + 1;
}

// Reads until the child has ended or must be killed. The ending, or nothing when the child ended by
// itself.
std::optional<Ending> watch(const Child& child, std::array<Stream, 2>& streams, std::size_t bound,
                            Deadline deadline, const Clock& clock) {
  while (true) {
    std::array<pollfd, 3> polled{{{child.handle(), POLLIN, 0},
                                  {streams[0].readEnd.number(), POLLIN, 0},
                                  {streams[1].readEnd.number(), POLLIN, 0}}};
    poll(polled.data(), polled.size(), pollTimeout(deadline, clock));
    for (Stream& stream : streams) {
      if (!stream.read(bound)) return Ending::outputTooLong;
    }
    if ((polled[0].revents & POLLIN) != 0) return std::nullopt;
    if (deadline.expired(clock)) return Ending::deadline;
  }
}

Ending endingOf(const siginfo_t& end) {
  if (end.si_code == CLD_EXITED) return Ending::exited;
  return end.si_status == SIGXCPU ? Ending::cpuLimit : Ending::crashed;
}

}  // namespace

std::string describe(const ChildResult& result) {
  switch (result.ending) {
    case Ending::exited:
      return fmt::format("exited with status {}", result.status);
    case Ending::deadline:
      return "was stopped: its time was up";
    case Ending::outputTooLong:
      return "was stopped: it wrote too much";
    case Ending::cpuLimit:
      return "was stopped: it used too much CPU time";
    case Ending::crashed:
      return fmt::format("crashed (signal {})", result.status);
  }
  std::unreachable();
}

Result<ChildResult> runChild(const ChildSpec& spec, Deadline deadline, const Clock& clock) {
  std::array<Stream, 2> streams;
  for (Stream& stream : streams) CORBEL_CHECK(stream.open());
  Child child;
  CORBEL_CHECK(child.start(spec, streams[0].writeEnd.number(), streams[1].writeEnd.number()));
  for (Stream& stream : streams) stream.writeEnd.close();

  std::optional<Ending> ending = watch(child, streams, spec.outputBytes, deadline, clock);
  if (ending) child.kill();
  const siginfo_t end = child.reap();
  // What it wrote between the last look and its end.
  for (Stream& stream : streams) {
    if (!ending && !stream.read(spec.outputBytes)) ending = Ending::outputTooLong;
  }
  return ChildResult{ending.value_or(endingOf(end)), end.si_status, std::move(streams[0].text),
                     std::move(streams[1].text)};
}

std::optional<ChildTask> childTask(std::span<char* const> arguments) {
  if (arguments.size() < 4 || arguments[1] != kMarker) return std::nullopt;
  ChildTask task{arguments[3], {}, decode(arguments[2])};
  for (const char* argument : arguments.subspan(4)) task.arguments.emplace_back(argument);
  return task;
}

}  // namespace corbel::exec

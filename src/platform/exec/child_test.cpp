#include "exec/child.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <thread>

namespace corbel::exec {
namespace {

using testing::HasSubstr;

void say(std::string_view text) { std::ignore = write(STDOUT_FILENO, text.data(), text.size()); }

void sayErrorOf(long result) { say(result < 0 ? strerrorname_np(errno) : "allowed"); }

// What the children of this test do, inside the sandbox.
const std::map<std::string, std::function<void(const ChildTask&)>> kTasks{
    {"hello", [](const ChildTask& task) { say("hello " + task.arguments.at(0)); }},
    {"complain", [](const ChildTask&) { std::ignore = write(STDERR_FILENO, "oh", 2); }},
    {"environment",
     [](const ChildTask&) { say(environ == nullptr || *environ == nullptr ? "empty" : *environ); }},
    {"readThird",
     [](const ChildTask&) {
       char bytes[16];
       const ssize_t count = read(3, bytes, sizeof(bytes));
       say({bytes, static_cast<std::size_t>(std::max<ssize_t>(count, 0))});
     }},
    {"fourth", [](const ChildTask&) { sayErrorOf(lseek(4, 0, SEEK_CUR)); }},
    {"open", [](const ChildTask&) { sayErrorOf(open("/etc/passwd", O_RDONLY)); }},
    {"connect", [](const ChildTask&) { sayErrorOf(socket(AF_INET, SOCK_STREAM, 0)); }},
    {"fork", [](const ChildTask&) { sayErrorOf(fork()); }},
    {"execute",
     [](const ChildTask&) {
       char* const none[] = {nullptr};
       sayErrorOf(execve("/bin/true", none, none));
     }},
    {"killParent", [](const ChildTask&) { sayErrorOf(kill(getppid(), SIGTERM)); }},
    {"executableMemory",
     [](const ChildTask&) {
       void* page = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       sayErrorOf(page == MAP_FAILED ? -1 : 0);
     }},
    {"allocate",
     [](const ChildTask&) {
       void* memory =
           mmap(nullptr, 10ULL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       sayErrorOf(memory == MAP_FAILED ? -1 : 0);
     }},
    {"thread",
     [](const ChildTask&) {
       try {
         std::jthread([] { say("ran"); });
       } catch (const std::system_error&) {
         say("refused");
       }
     }},
    {"loop",
     [](const ChildTask&) {
       for (volatile unsigned turns = 0;; turns = turns + 1) {
       }
     }},
    {"sleep", [](const ChildTask&) { sleep(3600); }},
    {"writeMuch",
     [](const ChildTask&) {
       const std::string block(1 << 20, 'x');
       while (true) say(block);
     }},
    {"abort", [](const ChildTask&) { std::abort(); }},
    {"exit7", [](const ChildTask&) { _exit(7); }},
};

class Children : public testing::Test {
 protected:
  ChildResult run(const std::string& task) { return run({.task = task}); }
  ChildResult run(const ChildSpec& spec,
                  std::chrono::milliseconds within = std::chrono::seconds(20)) {
    auto result = runChild(spec, Deadline::after(clock_, within), clock_);
    EXPECT_TRUE(result) << result.error().detail;
    return result.value_or(ChildResult{});
  }

  SystemClock clock_;
};

TEST_F(Children, GiveOutputErrorsAndStatus) {
  const ChildResult result = run({.task = "hello", .arguments = {"w o\trld"}});
  EXPECT_EQ(result.ending, Ending::exited) << result.errors;
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.output, "hello w o\trld");
  EXPECT_EQ(run("complain").errors, "oh");
  EXPECT_EQ(run("exit7").status, 7);
}

TEST_F(Children, HaveAnEmptyEnvironment) { EXPECT_EQ(run("environment").output, "empty"); }

TEST_F(Children, FindTheDescriptorsHandedOverAndNoOthers) {
  const int file =
      memfd_create("x", 0);  // not closed on exec: only the child's own closing keeps it away
  ASSERT_EQ(pwrite(file, "content", 7, 0), 7);
  EXPECT_EQ(run({.task = "readThird", .descriptors = {file}}).output, "content");
  EXPECT_EQ(run({.task = "fourth", .descriptors = {file}}).output, "EBADF");
  close(file);
}

TEST_F(Children, CannotOpenFiles) {
  EXPECT_THAT(run("open").output, testing::AnyOf("EPERM", "EACCES"));
}
TEST_F(Children, CannotConnect) { EXPECT_EQ(run("connect").output, "EPERM"); }
TEST_F(Children, CannotFork) { EXPECT_EQ(run("fork").output, "EPERM"); }
TEST_F(Children, CannotRunPrograms) { EXPECT_EQ(run("execute").output, "EPERM"); }
TEST_F(Children, CannotSignalOthers) { EXPECT_EQ(run("killParent").output, "EPERM"); }
TEST_F(Children, CannotMapExecutableMemory) { EXPECT_EQ(run("executableMemory").output, "EPERM"); }

#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
TEST_F(Children, CannotAllocateMoreThanTheirMemory) { EXPECT_EQ(run("allocate").output, "ENOMEM"); }

TEST_F(Children, StartThreadsOnlyWhereAllowed) {
  EXPECT_EQ(run("thread").output, "refused");
  EXPECT_EQ(run({.task = "thread", .limits = {.threads = true}}).output, "ran");
}
#endif

TEST_F(Children, AreKilledAtTheDeadline) {
  const SteadyTime before = clock_.steady();
  EXPECT_EQ(run({.task = "sleep"}, std::chrono::milliseconds(50)).ending, Ending::deadline);
  EXPECT_EQ(run({.task = "loop"}, std::chrono::milliseconds(50)).ending, Ending::deadline);
  EXPECT_LT(clock_.steady() - before, std::chrono::seconds(10));
}

TEST_F(Children, AreKilledWhenTheyUseTooMuchCpu) {
  EXPECT_EQ(run({.task = "loop", .limits = {.cpuSeconds = 1}}).ending, Ending::cpuLimit);
}

TEST_F(Children, AreKilledWhenTheyWriteTooMuch) {
  const ChildResult result = run({.task = "writeMuch", .outputBytes = 1000});
  EXPECT_EQ(result.ending, Ending::outputTooLong);
  EXPECT_EQ(result.output.size(), 1000u);
}

TEST_F(Children, ThatCrashAreReportedWithTheirSignal) {
  const ChildResult result = run("abort");
  EXPECT_EQ(result.ending, Ending::crashed);
  EXPECT_EQ(describe(result), "crashed (signal 6)");
}

TEST_F(Children, LeaveNoZombies) {
  run("hello");
  run({.task = "sleep"}, std::chrono::milliseconds(1));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(ChildTask, IsNothingInAnOrdinaryProcess) {
  std::string name = "corbel";
  std::string word = "serve";
  std::vector<char*> arguments{name.data(), word.data()};
  EXPECT_FALSE(childTask(arguments));
}

int runTask(const ChildTask& task) {
  const auto sandboxed = enterSandbox(task.limits);
  if (!sandboxed) {
    std::fputs(sandboxed.error().detail.c_str(), stderr);
    return 70;
  }
  kTasks.at(task.name)(task);
  return 0;
}

}  // namespace
}  // namespace corbel::exec

int main(int argc, char** argv) {
  if (const auto task = corbel::exec::childTask({argv, static_cast<std::size_t>(argc)})) {
    _exit(corbel::exec::runTask(*task));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

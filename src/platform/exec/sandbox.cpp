#include <fcntl.h>
#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>
#include <vector>

#include "exec/child.h"

namespace corbel::exec {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kForeignCalls = 0x40000000;  // x32 calls start here
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kForeignCalls = 0xFFFFFFFF;
#else
#error "the sandbox knows the system calls of x86-64 and arm64 only"
#endif

// Sanitizers map terabytes of address space for their shadow.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Every right of the file system and of the network, by version of Landlock (linux/landlock.h).
constexpr std::array<std::uint64_t, 5> kFileRights{(1U << 13) - 1, (1U << 14) - 1, (1U << 15) - 1,
                                                   (1U << 15) - 1, (1U << 16) - 1};
constexpr std::uint64_t kNetworkRights = 3;
constexpr long kLandlockWithNetwork = 4;

std::unexpected<Error> refused(std::string_view what) {
  return fail(ErrorCode::failedPrecondition, "the kernel does not allow a sandbox here",
              fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

Result<void> limit(__rlimit_resource resource, std::uint64_t soft, std::uint64_t hard) {
  const rlimit both{soft, hard};
  if (setrlimit(resource, &both) != 0) return refused("setrlimit");
  return {};
}

Result<void> setLimits(const SandboxLimits& limits) {
  if (!kSanitized) CORBEL_CHECK(limit(RLIMIT_AS, limits.memoryBytes, limits.memoryBytes));
  // The soft limit ends it with SIGXCPU, so that the parent knows why.
  CORBEL_CHECK(limit(RLIMIT_CPU, limits.cpuSeconds, limits.cpuSeconds + 1));
  CORBEL_CHECK(limit(RLIMIT_FSIZE, limits.fileBytes, limits.fileBytes));
  CORBEL_CHECK(limit(RLIMIT_NOFILE, limits.openFiles, limits.openFiles));
  CORBEL_CHECK(limit(RLIMIT_CORE, 0, 0));
  // Counts all of the user's processes: with threads only the filter below holds processes back.
  if (!limits.threads) CORBEL_CHECK(limit(RLIMIT_NPROC, 1, 1));
  return {};
}

// Kernels without Landlock answer ENOSYS or EOPNOTSUPP; there the filter alone denies opening
// files.
Result<void> denyFiles() {
  constexpr unsigned kVersion = 1;  // LANDLOCK_CREATE_RULESET_VERSION
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersion);
  if (version < 1) return {};
  const auto index =
      std::min<std::size_t>(static_cast<std::size_t>(version), kFileRights.size()) - 1;
  const std::array<std::uint64_t, 2> rights{kFileRights[index], kNetworkRights};
  const std::size_t size = version >= kLandlockWithNetwork ? sizeof(rights) : sizeof(rights[0]);
  const long ruleset = syscall(SYS_landlock_create_ruleset, rights.data(), size, 0);
  if (ruleset < 0) return refused("landlock_create_ruleset");
  if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
    return refused("landlock_restrict_self");
  close(static_cast<int>(ruleset));
  return {};
}

// The classic BPF program (seccomp(2)): what is not allowed fails with EPERM.
class Filter {
 public:
  Filter() {
    load(offsetof(seccomp_data, arch));
    jump(BPF_JEQ, kArchitecture, {.whenTrue = 1, .whenFalse = 0});
    end(SECCOMP_RET_KILL_PROCESS);
    load(offsetof(seccomp_data, nr));
    jump(BPF_JGE, kForeignCalls, {.whenTrue = 0, .whenFalse = 1});
    end(SECCOMP_RET_KILL_PROCESS);
  }

  void allow(long call) { answer(call, SECCOMP_RET_ALLOW); }
  void refuse(long call, int error) {
    answer(call, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
  }
  // The upper halves of arguments are not looked at: flags and process ids are 32 bits wide.
  void allowIfEqual(long call, std::size_t argument, std::uint32_t value) {
    allowIf(call, argument, BPF_JEQ, value, true);
  }
  void allowIfSet(long call, std::size_t argument, std::uint32_t bits) {
    allowIf(call, argument, BPF_JSET, bits, true);
  }
  void allowIfClear(long call, std::size_t argument, std::uint32_t bits) {
    allowIf(call, argument, BPF_JSET, bits, false);
  }

  Result<void> apply() {
    end(SECCOMP_RET_ERRNO | EPERM);
    const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    // All threads: there is only one, unless a library has started some.
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) {
      return refused("seccomp");
    }
    return {};
  }

 private:
  void load(std::size_t offset) {
    code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset)));
  }
  void end(std::uint32_t action) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, action)); }
  struct Skip {
    std::uint8_t whenTrue;
    std::uint8_t whenFalse;
  };
  void jump(std::uint16_t comparison, std::uint32_t value, Skip skip) {
    const auto code = static_cast<std::uint16_t>(BPF_JMP | comparison | BPF_K);
    code_.push_back(sock_filter{code, skip.whenTrue, skip.whenFalse, value});
  }
  void answer(long call, std::uint32_t action) {
    jump(BPF_JEQ, static_cast<std::uint32_t>(call), {.whenTrue = 0, .whenFalse = 1});
    end(action);
  }
  void allowIf(long call, std::size_t argument, std::uint16_t comparison, std::uint32_t value,
               bool expected) {
    jump(BPF_JEQ, static_cast<std::uint32_t>(call), {.whenTrue = 0, .whenFalse = 4});
    load(offsetof(seccomp_data, args) + sizeof(std::uint64_t) * argument);
    jump(comparison, value, expected ? Skip{0, 1} : Skip{1, 0});
    end(SECCOMP_RET_ALLOW);
    end(SECCOMP_RET_ERRNO | EPERM);
  }

  std::vector<sock_filter> code_;
};

constexpr std::array kAllowed{SYS_read,
                              SYS_write,
                              SYS_readv,
                              SYS_writev,
                              SYS_pread64,
                              SYS_pwrite64,
                              SYS_lseek,
                              SYS_close,
                              SYS_fstat,
                              SYS_munmap,
                              SYS_mremap,
                              SYS_madvise,
                              SYS_brk,
                              SYS_futex,
                              SYS_exit,
                              SYS_exit_group,
                              SYS_rt_sigreturn,
                              SYS_rt_sigaction,
                              SYS_rt_sigprocmask,
                              SYS_sigaltstack,
                              SYS_clock_gettime,
                              SYS_clock_getres,
                              SYS_clock_nanosleep,
                              SYS_nanosleep,
                              SYS_gettimeofday,
                              SYS_getrandom,
                              SYS_sched_yield,
                              SYS_sched_getaffinity,
                              SYS_getpid,
                              SYS_gettid,
                              SYS_membarrier,
                              SYS_rseq,
                              SYS_set_robust_list,
                              SYS_sysinfo,
                              SYS_uname,
                              SYS_restart_syscall};

Result<void> filterCalls(const SandboxLimits& limits) {
  Filter filter;
  for (const long call : kAllowed) filter.allow(call);
  if (kSanitized) filter.allow(SYS_pipe2);  // how their runtime asks whether an address may be read
  filter.allowIfClear(SYS_mmap, 2, PROT_EXEC);
  filter.allowIfClear(SYS_mprotect, 2, PROT_EXEC);
  filter.allowIfSet(SYS_newfstatat, 3, AT_EMPTY_PATH);  // how the C library spells fstat()
  filter.allowIfEqual(SYS_tgkill, 0, static_cast<std::uint32_t>(getpid()));  // abort()
  filter.refuse(SYS_clone3,
                ENOSYS);  // its flags cannot be looked at; the C library falls back to clone
  if (limits.threads) filter.allowIfSet(SYS_clone, 0, CLONE_THREAD);
  return filter.apply();
}

}  // namespace

Result<void> enterSandbox(const SandboxLimits& limits) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
    return refused("prctl");
  CORBEL_CHECK(setLimits(limits));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refused("no_new_privs");
  CORBEL_CHECK(denyFiles());
  return filterCalls(limits);
}

}  // namespace corbel::exec

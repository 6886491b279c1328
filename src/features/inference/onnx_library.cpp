#include "inference/onnx_library.h"

#include <dlfcn.h>

#include <utility>

namespace corbel::inference {

RunWatch::RunWatch() : thread_([this] { watch(); }) {}

RunWatch::~RunWatch() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void RunWatch::watch() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    terminateLateRuns();
    nextLook_ = runs_.empty() ? SteadyTime::max() : runs_.begin()->first;
    if (nextLook_ == SteadyTime::max()) {
      lock.wait(changed_);
    } else {
      lock.waitUntil(changed_, nextLook_);
    }
  }
}

void RunWatch::terminateLateRuns() {
  const SteadyTime now = std::chrono::steady_clock::now();
  while (!runs_.empty() && runs_.begin()->first <= now) {
    runs_.begin()->second->SetTerminate();
    runs_.erase(runs_.begin());
  }
}

// Most runs end long before their deadline: waking the thread for each of them would cost more than
// the run. It sleeps on until the deadline it knew of, also when that run has ended.
RunWatch::Guard::Guard(RunWatch& watch, Ort::RunOptions& options, Deadline deadline)
    : watch_(watch), run_(deadline.time(), &options) {
  const MutexLock lock(watch_.mutex_);
  watch_.runs_.insert(run_);
  if (deadline.time() < watch_.nextLook_) watch_.changed_.notify_one();
}

RunWatch::Guard::~Guard() {
  const MutexLock lock(watch_.mutex_);
  watch_.runs_.erase(run_);
}

namespace {

// One arena for all models: each of its own would keep what its largest run needed. It grows by
// what is asked for, not by powers of two.
void shareArena(Ort::Env& env) {
  constexpr int kSameAsRequested = 1;
  constexpr int kLibraryChooses = -1;
  const Ort::ArenaCfg arena(0, kSameAsRequested, kLibraryChooses, kLibraryChooses);
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  env.CreateAndRegisterAllocator(memory, arena);
}

}  // namespace

Result<std::shared_ptr<OnnxRuntime>> openOnnxRuntime(const OnnxRuntimeOptions& options,
                                                     const Clock& clock) {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::failedPrecondition,
                "ONNX Runtime (setting inference.onnxRuntimeLibrary): " + why,
                options.library.string());
  };
  // Never closed: the library keeps threads and thread-local state that do not survive dlclose().
  void* library = dlopen(options.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return refuse("the library cannot be loaded");
  using GetBase = const OrtApiBase* (*)();
  const auto getBase = reinterpret_cast<GetBase>(dlsym(library, "OrtGetApiBase"));
  if (getBase == nullptr) return refuse("the file is not ONNX Runtime");
  const OrtApi* api = getBase()->GetApi(ORT_API_VERSION);
  if (api == nullptr)
    return refuse("version 1.21 or later is needed, found " +
                  std::string(getBase()->GetVersionString()));
  Ort::InitApi(api);
  try {
    Ort::ThreadingOptions threading;
    threading.SetGlobalIntraOpNumThreads(static_cast<int>(options.threads));
    threading.SetGlobalInterOpNumThreads(1);
    threading.SetGlobalSpinControl(0);
    // Errors come back as exceptions; the library would print them past the log.
    Ort::Env env(threading, ORT_LOGGING_LEVEL_FATAL, "corbel");
    shareArena(env);
    return std::make_shared<OnnxRuntime>(std::move(env), clock);
  } catch (const Ort::Exception& exception) {
    return fail(ErrorCode::failedPrecondition, "ONNX Runtime does not start", exception.what());
  }
}

}  // namespace corbel::inference

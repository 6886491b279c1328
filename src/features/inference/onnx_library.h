// Private to the ONNX engine: the library's environment and what its models share.
#pragma once
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

#include <condition_variable>
#include <memory>
#include <set>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "inference/onnx_runtime.h"

namespace corbel::inference {

// Stops runs whose deadline has passed. One thread for all models.
class RunWatch {
 public:
  RunWatch();
  ~RunWatch();
  // While it lives, `options` is told to terminate once the deadline has passed.
  class Guard {
   public:
    Guard(RunWatch& watch, Ort::RunOptions& options, Deadline deadline);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    RunWatch& watch_;
    const std::pair<SteadyTime, Ort::RunOptions*> run_;
  };

 private:
  void watch();
  void terminateLateRuns() CORBEL_REQUIRES(mutex_);

  Mutex mutex_;
  std::condition_variable changed_;
  std::set<std::pair<SteadyTime, Ort::RunOptions*>> runs_
      CORBEL_GUARDED_BY(mutex_);  // those not told yet
  SteadyTime nextLook_ CORBEL_GUARDED_BY(mutex_) = SteadyTime::max();
  bool stopping_ CORBEL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

class OnnxRuntime {
 public:
  OnnxRuntime(Ort::Env env, const Clock& clock) : env_(std::move(env)), clock_(clock) {}
  const Ort::Env& env() const { return env_; }
  const Clock& clock() const { return clock_; }
  RunWatch& watch() { return watch_; }

 private:
  Ort::Env env_;
  const Clock& clock_;
  RunWatch watch_;
};

}  // namespace corbel::inference

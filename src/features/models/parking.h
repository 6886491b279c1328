// Work that wants a model version which somebody else is just loading waits here, without holding a
// thread.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/deadline.h"
#include "base/mutex.h"

namespace corbel::models {

// Thread-safe. Has a thread of its own, for deadlines.
class Parking {
 public:
  // Hands the work on and returns at once: it runs on a thread on which others wait.
  using Resume = std::move_only_function<void()>;
  enum class Turn : std::uint8_t {
    load,     // nobody was loading the version: the caller does, and calls loaded() afterwards
    parked,   // `resume` will be called once: after loaded(), or at the deadline
    refused,  // `bound` are parked already, or stop() was called; `resume` is destroyed
  };

  explicit Parking(std::size_t bound);
  // As stop().
  ~Parking();
  Parking(const Parking&) = delete;
  Parking& operator=(const Parking&) = delete;

  Turn enter(const std::string& version, Deadline deadline, Resume resume);
  // Calls, on this thread, what waits for the version. Loading it is the next one's turn.
  void loaded(const std::string& version);

  // Destroys what is parked; nothing is resumed any more when it has returned. Not from a resume.
  void stop();

 private:
  struct Parked {
    SteadyTime until;
    Resume resume;
  };

  void watch();
  void resume(std::vector<Parked> waiting);
  // Empty: stop() was called.
  std::vector<Parked> awaitLate();
  std::vector<Parked> takeLate() CORBEL_REQUIRES(mutex_);
  SteadyTime nextDeadline() const CORBEL_REQUIRES(mutex_);

  const std::size_t bound_;
  Mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::vector<Parked>> loading_ CORBEL_GUARDED_BY(mutex_);
  std::size_t parked_ CORBEL_GUARDED_BY(mutex_) = 0;
  int resuming_ CORBEL_GUARDED_BY(mutex_) = 0;  // threads that are just doing it
  bool stopped_ CORBEL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace corbel::models

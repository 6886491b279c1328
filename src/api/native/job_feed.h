// Tells clients of jobs as they change, whichever process runs them.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "http/event_stream.h"
#include "jobs/jobs.h"

namespace corbel::native {

// Thread-safe. Looks at the jobs that somebody follows on a thread of its own.
class JobFeed {
 public:
  static constexpr std::size_t kFollowersMax = 500;
  static constexpr std::chrono::milliseconds kEvery{500};

  // Both must outlive it.
  JobFeed(const jobs::Queue& queue, const Clock& clock);
  ~JobFeed() { stop(); }
  JobFeed(const JobFeed&) = delete;
  JobFeed& operator=(const JobFeed&) = delete;

  // Events of the job from now on, and those after revision `seen` that are still known. The id of
  // an event is the job's revision. Waits for the store. not_found; unavailable: kFollowersMax.
  Result<std::shared_ptr<http::EventStream>> follow(const std::string& tenant, std::string id,
                                                    std::int64_t seen);
  // Jobs may have changed.
  void wake();
  // Ends all streams: clients come back with the last id they saw.
  void stop();

 private:
  struct Follower {
    std::string tenant;
    std::string job;
    std::int64_t seen = 0;
    std::shared_ptr<http::EventStream> stream;
    // The client; outlives this where the stream does.
    std::shared_ptr<std::atomic<bool>> gone = std::make_shared<std::atomic<bool>>(false);
  };
  enum class Told : std::uint8_t { more, all };

  void look();
  bool isStopping();
  // A job that does not change tells nobody that its follower has gone.
  void forgetGone() CORBEL_REQUIRES(mutex_);
  Result<Told> tell(Follower& follower) const;
  Deadline patience() const;

  const jobs::Queue& queue_;
  const Clock& clock_;
  Mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Follower>> followers_ CORBEL_GUARDED_BY(mutex_);
  bool woken_ CORBEL_GUARDED_BY(mutex_) = false;
  bool stopping_ CORBEL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace corbel::native

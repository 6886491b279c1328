#include "native/job_feed.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "json/encode.h"
#include "native/jobs_api.h"

namespace corbel::native {
namespace {

constexpr std::chrono::seconds kStoreTime{5};

}  // namespace

JobFeed::JobFeed(const jobs::Queue& queue, const Clock& clock)
    : queue_(queue), clock_(clock), thread_([this] { look(); }) {}

Deadline JobFeed::patience() const { return Deadline::after(clock_, kStoreTime); }

void JobFeed::wake() {
  const MutexLock lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void JobFeed::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  const MutexLock lock(mutex_);
  for (const auto& follower : followers_) follower->stream->end();
  followers_.clear();
}

Result<std::shared_ptr<http::EventStream>> JobFeed::follow(const std::string& tenant,
                                                           std::string id, std::int64_t seen) {
  const auto follower = std::make_shared<Follower>(
      Follower{tenant, std::move(id), seen, std::make_shared<http::EventStream>()});
  CORBEL_TRY(const Told told, tell(*follower));
  if (told == Told::all) return follower->stream;
  follower->stream->onGone([gone = follower->gone] { *gone = true; });
  const MutexLock lock(mutex_);
  forgetGone();
  if (stopping_ || followers_.size() >= kFollowersMax) {
    return fail(ErrorCode::unavailable,
                "Too many clients follow jobs. Try again later, or read the job now and then.");
  }
  followers_.push_back(follower);
  return follower->stream;
}

// What came since the follower was last told.
Result<JobFeed::Told> JobFeed::tell(Follower& follower) const {
  CORBEL_TRY(const jobs::Job job, queue_.get(follower.tenant, follower.job, patience()));
  const bool ended = jobs::hasEnded(job.status);
  const std::string revision = std::to_string(job.revision);
  if (job.revision > follower.seen) {
    CORBEL_TRY(const auto lines,
               queue_.log(follower.tenant, follower.job, follower.seen, patience()));
    for (const jobs::LogLine& line : lines) {
      // Came after the job was read: it is told with that revision, and not twice.
      if (line.revision > job.revision) break;
      const std::string text = json::encode(LogLineView{line.at, line.text});
      follower.stream->push({.data = text, .name = "log"});
    }
  }
  if (job.revision > follower.seen || ended) {
    const std::string shown = json::encode(view(job));
    const std::string_view name = ended ? jobs::name(job.status) : "progress";
    if (!follower.stream->push({.data = shown, .name = name, .id = revision})) return Told::all;
    follower.seen = std::max(job.revision, follower.seen);
  }
  if (!ended) return Told::more;
  follower.stream->end();
  return Told::all;
}

void JobFeed::forgetGone() {
  std::erase_if(followers_, [](const auto& follower) { return follower->gone->load(); });
}

bool JobFeed::isStopping() {
  const MutexLock lock(mutex_);
  return stopping_;
}

void JobFeed::look() {
  pthread_setname_np(pthread_self(), "job-feed");
  for (;;) {
    std::vector<std::shared_ptr<Follower>> followers;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && !woken_) {
        if (followers_.empty()) {
          lock.wait(changed_);
        } else if (!lock.waitUntil(changed_, std::chrono::steady_clock::now() + kEvery)) {
          break;
        }
      }
      if (stopping_) return;
      woken_ = false;
      forgetGone();
      followers = followers_;
    }
    for (const auto& follower : followers) {
      if (isStopping()) return;
      const auto told = tell(*follower);
      const bool isOver = told ? *told == Told::all : told.error().code == ErrorCode::notFound;
      if (!isOver) continue;
      follower->stream->end();
      const MutexLock lock(mutex_);
      std::erase(followers_, follower);
    }
  }
}

}  // namespace corbel::native

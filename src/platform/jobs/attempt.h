// One attempt of a job in this process. Private to the module.
#pragma once
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/result.h"
#include "jobs/kinds.h"
#include "jobs/workers.h"

namespace corbel::jobs {

// Why an attempt was told to stop; the first reason counts.
enum class StopReason : std::uint8_t { none, cancelled, outOfTime, leaseLost, processEnds };

// The last kLogLines that nobody has written yet.
class PendingLines {
 public:
  void add(LogLine line) {
    if (lines_.size() == kLogLines) lines_.erase(lines_.begin());
    lines_.push_back(std::move(line));
    ++added_;
  }
  const std::vector<LogLine>& lines() const { return lines_; }
  // How many there have been, written or not.
  std::int64_t added() const { return added_; }
  // Those of when added() was `added` are written; what came meanwhile is not.
  void written(std::int64_t added) {
    const auto later = std::min<std::int64_t>(added_ - added, std::ssize(lines_));
    lines_.erase(lines_.begin(), lines_.end() - later);
  }

 private:
  std::vector<LogLine> lines_;
  std::int64_t added_ = 0;
};

// Thread-safe.
class Workers::Attempt final : public Context {
 public:
  Attempt(Job job, std::string token, Deadline deadline, SteadyTime leaseEnds, const Clock& clock)
      : job_(std::move(job)),
        token_(std::move(token)),
        deadline_(deadline),
        clock_(clock),
        leaseEnds_(leaseEnds) {}

  const Job& job() const override { return job_; }
  Deadline deadline() const override { return deadline_; }
  std::stop_token stop() const override { return stop_.get_token(); }
  void progress(double fraction, std::string_view stage, std::string_view message) override;
  void log(std::string_view line) override;
  void attach(JobFile file) override;

  const std::string& token() const { return token_; }
  void tellToStop(StopReason reason);
  void end(Result<std::string> outcome);

  // What was told since the last report was written, and how to take note that it was.
  struct News {
    double progress = 0;
    std::string stage;
    std::string message;
    PendingLines lines;
    bool changed = false;
  };
  News news() const;
  void written(const News& news, SteadyTime leaseEnds);

  // Not known until end().
  struct End {
    Result<std::string> outcome;
    StopReason reason = StopReason::none;
    std::vector<JobFile> files;
  };
  std::optional<End> ended() const;
  SteadyTime leaseEnds() const;

 private:
  const Job job_;
  const std::string token_;
  const Deadline deadline_;
  const Clock& clock_;
  std::stop_source stop_;
  mutable Mutex mutex_;
  SteadyTime leaseEnds_ CORBEL_GUARDED_BY(mutex_);
  StopReason reason_ CORBEL_GUARDED_BY(mutex_) = StopReason::none;
  News news_ CORBEL_GUARDED_BY(mutex_);
  std::vector<JobFile> files_ CORBEL_GUARDED_BY(mutex_);
  std::optional<Result<std::string>> outcome_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::jobs

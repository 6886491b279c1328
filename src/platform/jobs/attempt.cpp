#include "jobs/attempt.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace corbel::jobs {
namespace {

// Cut between characters, without line breaks: a line is a line.
std::string asLine(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const std::size_t length = utf8Length(text);
    if (line.size() + std::max<std::size_t>(length, 1) > kLogLineBytes) break;
    if (length == 0 || static_cast<unsigned char>(text.front()) < ' ') {
      line += length == 0 ? '?' : ' ';
      text.remove_prefix(1);
      continue;
    }
    line += text.substr(0, length);
    text.remove_prefix(length);
  }
  return line;
}

}  // namespace

void Workers::Attempt::progress(double fraction, std::string_view stage, std::string_view message) {
  const MutexLock lock(mutex_);
  news_.progress = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0;
  news_.stage = asLine(stage);
  news_.message = asLine(message);
  news_.changed = true;
}

void Workers::Attempt::log(std::string_view line) {
  const MutexLock lock(mutex_);
  news_.lines.add({.at = clock_.now(), .text = asLine(line)});
  news_.changed = true;
}

void Workers::Attempt::attach(JobFile file) {
  const MutexLock lock(mutex_);
  std::erase_if(files_, [&](const JobFile& other) { return other.name == file.name; });
  files_.push_back(std::move(file));
}

void Workers::Attempt::tellToStop(StopReason reason) {
  {
    const MutexLock lock(mutex_);
    if (reason_ == StopReason::none || reason == StopReason::leaseLost) reason_ = reason;
  }
  stop_.request_stop();
}

void Workers::Attempt::end(Result<std::string> outcome) {
  const MutexLock lock(mutex_);
  outcome_ = std::move(outcome);
}

Workers::Attempt::News Workers::Attempt::news() const {
  const MutexLock lock(mutex_);
  return news_;
}

void Workers::Attempt::written(const News& news, SteadyTime leaseEnds) {
  const MutexLock lock(mutex_);
  leaseEnds_ = leaseEnds;
  const bool same = news_.progress == news.progress && news_.stage == news.stage &&
                    news_.message == news.message && news_.lines.added() == news.lines.added();
  news_.lines.written(news.lines.added());
  if (same) news_.changed = false;
}

std::optional<Workers::Attempt::End> Workers::Attempt::ended() const {
  const MutexLock lock(mutex_);
  if (!outcome_) return std::nullopt;
  return End{*outcome_, reason_, files_};
}

SteadyTime Workers::Attempt::leaseEnds() const {
  const MutexLock lock(mutex_);
  return leaseEnds_;
}

}  // namespace corbel::jobs

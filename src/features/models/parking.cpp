#include "models/parking.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace corbel::models {

Parking::Parking(std::size_t bound) : bound_(bound), thread_([this] { watch(); }) {}

Parking::~Parking() { stop(); }

Parking::Turn Parking::enter(const std::string& version, Deadline deadline, Resume resume) {
  const MutexLock lock(mutex_);
  const auto [entry, isFirst] = loading_.try_emplace(version);
  if (isFirst) return Turn::load;
  if (stopped_ || parked_ >= bound_) return Turn::refused;
  entry->second.push_back({deadline.time(), std::move(resume)});
  ++parked_;
  changed_.notify_all();
  return Turn::parked;
}

void Parking::loaded(const std::string& version) {
  std::vector<Parked> waiting;
  {
    const MutexLock lock(mutex_);
    auto entry = loading_.extract(version);
    if (entry.empty()) return;
    waiting = std::move(entry.mapped());
    parked_ -= waiting.size();
    ++resuming_;
  }
  resume(std::move(waiting));
}

void Parking::resume(std::vector<Parked> waiting) {
  for (Parked& one : waiting) one.resume();
  const MutexLock lock(mutex_);
  --resuming_;
  changed_.notify_all();
}

void Parking::stop() {
  std::vector<Parked> dropped;  // destroyed after the lock: what is parked may hold anything
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    for (auto& [version, waiting] : loading_) {
      std::ranges::move(waiting, std::back_inserter(dropped));
      waiting.clear();
    }
    parked_ = 0;
    changed_.notify_all();
    while (resuming_ > 0) lock.wait(changed_);
  }
  if (thread_.joinable()) thread_.join();
}

void Parking::watch() {
  for (auto late = awaitLate(); !late.empty(); late = awaitLate()) resume(std::move(late));
}

std::vector<Parking::Parked> Parking::awaitLate() {
  MutexLock lock(mutex_);
  while (!stopped_) {
    auto late = takeLate();
    if (!late.empty()) {
      ++resuming_;
      return late;
    }
    const SteadyTime next = nextDeadline();
    if (next == SteadyTime::max()) {
      lock.wait(changed_);
    } else {
      lock.waitUntil(changed_, next);
    }
  }
  return {};
}

std::vector<Parking::Parked> Parking::takeLate() {
  const SteadyTime now = std::chrono::steady_clock::now();
  std::vector<Parked> late;
  for (auto& [version, waiting] : loading_) {
    const auto inTime = [&](const Parked& one) { return one.until > now; };
    const auto firstLate = std::partition(waiting.begin(), waiting.end(), inTime);
    std::move(firstLate, waiting.end(), std::back_inserter(late));
    waiting.erase(firstLate, waiting.end());
  }
  parked_ -= late.size();
  return late;
}

SteadyTime Parking::nextDeadline() const {
  SteadyTime next = SteadyTime::max();
  for (const auto& [version, waiting] : loading_) {
    for (const Parked& one : waiting) next = std::min(next, one.until);
  }
  return next;
}

}  // namespace corbel::models

#include "sliding_log.h"

#include <algorithm>

namespace corbel::limits {

void SlidingLog::forgetUntil(std::int64_t oldestKept) {
  while (count_ > 0 && entries_[first_].at <= oldestKept) {
    used_ -= entries_[first_].units;
    first_ = (first_ + 1) % entries_.size();
    --count_;
  }
}

std::int64_t SlidingLog::timeOfUnit(std::uint32_t units) const {
  std::size_t index = 0;
  for (std::uint32_t seen = at(0).units; seen < units; seen += at(index).units) ++index;
  return at(index).at;
}

std::size_t SlidingLog::growthFor(std::int64_t now) const {
  const bool fits = count_ < entries_.size() || (count_ > 0 && newest() == now);
  return fits ? 0 : (grownCapacity() - entries_.size()) * sizeof(Entry);
}

void SlidingLog::add(std::int64_t now, std::uint32_t units) {
  used_ += units;
  if (count_ > 0 && newest() == now) {
    entries_[(first_ + count_ - 1) % entries_.size()].units += units;
    return;
  }
  if (count_ == entries_.size()) grow();
  entries_[(first_ + count_) % entries_.size()] = {now, units};
  ++count_;
}

void SlidingLog::takeBack(std::uint32_t units) {
  Entry& last = entries_[(first_ + count_ - 1) % entries_.size()];
  last.units -= units;
  used_ -= units;
  if (last.units == 0) --count_;
}

void SlidingLog::grow() {
  const std::size_t capacity = grownCapacity();
  std::ranges::rotate(entries_, entries_.begin() + static_cast<std::ptrdiff_t>(first_));
  first_ = 0;
  entries_.reserve(capacity);
  entries_.resize(capacity);
}

}  // namespace corbel::limits

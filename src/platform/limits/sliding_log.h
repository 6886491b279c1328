// The times of what was admitted in the last window, in a ring that grows with use.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace corbel::limits {

// Times are nanoseconds of a steady clock and never go back. For one thread at a time.
class SlidingLog {
 public:
  struct Entry {
    std::int64_t at;
    std::uint32_t units;
  };
  static constexpr std::size_t kEntryBytes = sizeof(Entry);

  // Drops what is a whole window old or older.
  void forgetUntil(std::int64_t oldestKept);
  // Units in the window, after forgetUntil().
  std::uint32_t used() const { return used_; }
  bool empty() const { return count_ == 0; }
  std::int64_t oldest() const { return entries_[first_].at; }
  std::int64_t newest() const { return at(count_ - 1).at; }
  // The time of the unit that has to leave before `units` have left. 1 <= units <= used().
  std::int64_t timeOfUnit(std::uint32_t units) const;

  // Bytes that add(now) would need more than are held.
  std::size_t growthFor(std::int64_t now) const;
  void add(std::int64_t now, std::uint32_t units);
  // Undoes the last add() of `units`.
  void takeBack(std::uint32_t units);

 private:
  const Entry& at(std::size_t index) const { return entries_[(first_ + index) % entries_.size()]; }
  std::size_t grownCapacity() const { return entries_.empty() ? 4 : entries_.size() * 2; }
  void grow();

  std::vector<Entry> entries_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint32_t used_ = 0;
};

}  // namespace corbel::limits

// A part of the values in memory: found by key, given up by age of use, within a number of bytes.
#pragma once
#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"
#include "cache/cache.h"

namespace corbel::cache {

// On cache lines of its own, so that neighbours do not slow each other down. Thread-safe.
class alignas(64) MemoryShard {
 public:
  explicit MemoryShard(std::size_t maxBytes) : maxBytes_(maxBytes) {}

  // What expires on the steady clock, which nobody sets.
  std::optional<Entry> find(std::string_view key, SteadyTime now);
  void put(std::string_view key, std::string_view value, SteadyTime freshUntil,
           SteadyTime keptUntil);
  // Gives up the half that was not used for longest.
  void shrink();
  std::size_t entries() const;
  std::size_t bytes() const;

 private:
  struct Node {
    std::string key;
    std::string value;
    SteadyTime freshUntil;
    SteadyTime keptUntil;
  };
  using Nodes = std::list<Node>;
  static std::size_t bytesOf(std::string_view key, std::string_view value);
  void drop(Nodes::iterator node) CORBEL_REQUIRES(mutex_);

  const std::size_t maxBytes_;
  mutable Mutex mutex_;
  Nodes byUse_ CORBEL_GUARDED_BY(mutex_);  // most recent first
  std::unordered_map<std::string_view, Nodes::iterator> byKey_
      CORBEL_GUARDED_BY(mutex_);  // keys view the nodes' own
  std::size_t bytes_ CORBEL_GUARDED_BY(mutex_) = 0;
};

}  // namespace corbel::cache

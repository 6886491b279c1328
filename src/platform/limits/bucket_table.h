// The buckets of one shard: found by key, given up by age, within a number of bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <string_view>
#include <unordered_map>

#include "bucket.h"

namespace corbel::limits {

// For one thread at a time.
class BucketTable {
 public:
  struct Key {
    std::string_view text;
    std::uint64_t hash;
    bool operator==(const Key& other) const { return text == other.text; }
  };

  explicit BucketTable(std::size_t maxBytes) : maxBytes_(maxBytes) {}

  Decision admit(const Key& key, std::int64_t now, const Quota& quota, std::uint32_t cost);

  // Undoes the last admit() of this bucket, which took `cost`.
  void takeBack(const Key& key, const Quota& quota, std::uint32_t cost);

  std::size_t size() const { return byUse_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct HashOfKey {
    std::size_t operator()(const Key& key) const { return key.hash; }
  };
  using Buckets = std::list<Bucket>;

  Bucket* findOrMake(const Key& key, std::int64_t now);
  // Gives up idle buckets, but never the one just used, until `needed` bytes are free or there is
  // nothing left to give.
  void makeRoom(std::size_t needed, std::int64_t now);
  std::size_t room() const { return bytes_ < maxBytes_ ? maxBytes_ - bytes_ : 0; }

  const std::size_t maxBytes_;
  std::size_t bytes_ = 0;
  Buckets byUse_;                                                // most recent first
  std::unordered_map<Key, Buckets::iterator, HashOfKey> byKey_;  // keys view the buckets' own
};

}  // namespace corbel::limits

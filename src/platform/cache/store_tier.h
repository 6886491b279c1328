// Values in an SQLite file of their own, apart from what must not be lost.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "cache/cache.h"
#include "store/store.h"

namespace corbel::cache {

// The file cache.db in `folder`, which is made, and which belongs to this process alone; values
// take at most `maxBytes` of it, the first to expire make room. A file that cannot be read is
// replaced by an empty one. `clock` must outlive the tier. Errors are for the operator.
Result<std::unique_ptr<Tier>> openStoreTier(const std::filesystem::path& folder,
                                            std::int64_t maxBytes, const Clock& clock);

}  // namespace corbel::cache

// Cached values as data about people.
#pragma once
#include "cache/cache.h"
#include "personal/personal.h"

namespace corbel::cache {

// `cache` must outlive the place.
personal::Place personalCache(Cache& cache);

}  // namespace corbel::cache

#include "cache/personal_cache.h"

namespace corbel::cache {

// Keys are hashes of inputs: whose they were cannot be told.
personal::Place personalCache(Cache& cache) {
  return {.name = "cache",
          .doc =
              "All cached predictions of the tenant are forgotten: they do not say whose they "
              "are, and can be made again.",
          .erase = [&cache](const personal::Person& person,
                            Deadline deadline) -> Result<personal::Erased> {
            CORBEL_TRY(const auto count, cache.forget(person.tenant, deadline));
            return personal::Erased{count};
          }};
}

}  // namespace corbel::cache

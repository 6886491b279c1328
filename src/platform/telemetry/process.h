// What the kernel knows about this process, as metrics.
#pragma once
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "telemetry/metrics.h"

namespace corbel::metrics {

// The process_* metrics and ai_memory_usage_bytes, read from /proc/self at every scrape, as long as
// the result lives.
[[nodiscard]] std::vector<Observation> observeProcess(Metrics& metrics, const Clock& clock);

// Memory of this process that is in RAM now. 0: the kernel does not tell.
std::uint64_t residentBytes();

}  // namespace corbel::metrics

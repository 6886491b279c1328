// Every metric of the program, one line each. Names without "corbel_" are those that existing
// dashboards and alert rules read. Labels that users choose (models, tenants) stand last: they
// become "other" first when there are too many.
#pragma once
#include <limits>

#include "telemetry/metrics.h"

namespace corbel::metrics {

inline constexpr double kNone = std::numeric_limits<double>::infinity();
// Half a millisecond to ten seconds, dense where the targets are (1 ms, 3 s).
inline constexpr Bounds kDurationMs{0.1, 0.25, 0.5, 1,   2.5,  5,    10,   25,
                                    50,  100,  250, 500, 1000, 3000, 5000, 10'000};
inline constexpr Bounds kDurationSeconds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                         0.05,   0.1,     0.25,   0.5,   1,      3,     5,    10};
// One microsecond to ten seconds.
inline constexpr Bounds kWaitSeconds{0.000001, 0.00001, 0.0001, 0.001, 0.01,  0.1,   1,     10,
                                     kNone,    kNone,   kNone,  kNone, kNone, kNone, kNone, kNone};

// clang-format off
// HTTP
inline constexpr CounterSpec kRequests{"ai_service_requests_total", "Requests answered.", "method", "status", "route", "tenant"};
inline constexpr HistogramSpec kRequestDuration{"ai_service_request_duration_ms", Unit::milliseconds, kDurationMs, "Time from a request's header to the end of its response.", "method", "route", "tenant"};
inline constexpr GaugeSpec kConnections{"corbel_http_connections", "Connections open now."};
inline constexpr CounterSpec kConnectionsRefused{"corbel_http_connections_refused_total", "Connections refused because too many were open."};

// Inference
inline constexpr CounterSpec kPredictions{"ai_service_model_predictions_total", "Predictions by outcome.", "status", "tenant", "model"};
inline constexpr HistogramSpec kInferenceDuration{"ai_service_inference_duration_ms", Unit::milliseconds, kDurationMs, "Time a model took.", "tenant", "model"};
inline constexpr HistogramSpec kInferenceTime{"ai_inference_time_seconds", Unit::seconds, kDurationSeconds, "Time a model took.", "tenant", "model"};
inline constexpr CounterSpec kModelCacheHits{"ai_service_model_cache_hits_total", "Predictions whose model was loaded already.", "tenant"};
inline constexpr CounterSpec kModelCacheMisses{"ai_service_model_cache_misses_total", "Predictions whose model had to be loaded.", "tenant"};
inline constexpr CounterSpec kFallbacks{"ai_fallback_count_total", "Predictions that something else than their model answered.", "fallback", "tenant", "model"};
inline constexpr GaugeSpec kCacheHitRatio{"ai_cache_hit_ratio", "Share of lookups that a cache answered, since the start.", "cache"};
inline constexpr GaugeSpec kMemoryUsage{"ai_memory_usage_bytes", "Memory this process holds."};
inline constexpr GaugeSpec kMemoryLevel{"corbel_memory_level", "What is given up for memory: 0 nothing, 1 batch work, 2 caches, 3 heavy work, 4 everything but health."};

// Pools
inline constexpr HistogramSpec kPoolWait{"corbel_pool_wait_seconds", Unit::seconds, kWaitSeconds, "Time work waited in a pool's queue.", "pool"};
inline constexpr GaugeSpec kPoolQueued{"corbel_pool_queued", "Work waiting in a pool's queue now.", "pool"};
inline constexpr CounterSpec kPoolRefused{"corbel_pool_refused_total", "Work refused because a pool's queue was full.", "pool"};

// Cache
inline constexpr GaugeSpec kCacheBytes{"corbel_cache_bytes", "Memory that cached values take."};
inline constexpr CounterSpec kCacheStale{"corbel_cache_stale_total", "Cached values given out after their time because they could not be made anew."};

// Redis
inline constexpr GaugeSpec kLimiterDegraded{"corbel_limiter_degraded", "1 while limits are counted without the other processes, because Redis is away."};
inline constexpr CounterSpec kLimiterLocal{"corbel_limiter_local_total", "Requests judged while Redis was away."};
inline constexpr GaugeSpec kRedisConnections{"corbel_redis_connections", "Connections to Redis open now."};
inline constexpr CounterSpec kRedisLosses{"corbel_redis_losses_total", "How often Redis was lost."};

// Store
inline constexpr CounterSpec kStoreUnits{"corbel_store_units_total", "Units of work by result.", "result"};
inline constexpr CounterSpec kStoreCommits{"corbel_store_commits_total", "Commits; one serves many units of work."};
inline constexpr CounterSpec kStoreReads{"corbel_store_reads_total", "Reads."};
inline constexpr CounterSpec kStoreReadWait{"corbel_store_read_wait_seconds_total", "Time reads waited for a connection."};
inline constexpr GaugeSpec kStoreQueued{"corbel_store_queued", "Units of work waiting for the writer now."};

// Events
inline constexpr CounterSpec kEventsDelivered{"corbel_events_delivered_total", "Events that a sink acknowledged.", "sink"};
inline constexpr CounterSpec kEventsFailed{"corbel_events_failed_total", "Attempts to deliver an event that failed and are repeated.", "sink"};
inline constexpr CounterSpec kEventsDead{"corbel_events_dead_total", "Events that became dead letters.", "sink"};
inline constexpr CounterSpec kEventsForgotten{"corbel_events_forgotten_total", "Dead letters removed because there were too many.", "sink"};
inline constexpr GaugeSpec kEventsPending{"corbel_events_pending", "Events that wait for a sink.", "sink"};
inline constexpr GaugeSpec kEventsLag{"corbel_events_lag_seconds", "Age of the oldest event that waits for a sink.", "sink"};
inline constexpr GaugeSpec kOutboxRows{"corbel_events_outbox_rows", "Events in the outbox."};
inline constexpr GaugeSpec kOutboxBytes{"corbel_events_outbox_bytes", "Size of the events in the outbox."};

// Jobs
inline constexpr CounterSpec kJobsEnded{"corbel_jobs_ended_total", "Jobs that ended here, by how.", "status", "kind"};
inline constexpr GaugeSpec kJobsRunning{"corbel_jobs_running", "Jobs that run in this process now."};
inline constexpr GaugeSpec kJobsOpen{"corbel_jobs_open", "Jobs that are queued or running anywhere, looked at once a minute."};

// Traces
inline constexpr CounterSpec kSpansExported{"corbel_trace_spans_exported_total", "Spans that the collector took."};
inline constexpr CounterSpec kSpansDropped{"corbel_trace_spans_dropped_total", "Spans dropped because the collector did not take them fast enough, or at all."};

// What the server depends on
inline constexpr CounterSpec kDependencyCalls{"corbel_dependency_calls_total", "Calls to something that can fail: answered, failed, or refused before they were made.", "result", "dependency"};
inline constexpr CounterSpec kDependencyRetries{"corbel_dependency_retries_total", "Second attempts.", "dependency"};
inline constexpr HistogramSpec kDependencyDuration{"corbel_dependency_duration_seconds", Unit::seconds, kDurationSeconds, "Time until an answer or a failure.", "dependency"};
inline constexpr GaugeSpec kDependencyBreaker{"corbel_dependency_breaker", "State of the breaker: 0 closed, 1 half-open, 2 open.", "dependency"};

// Audit log
inline constexpr CounterSpec kAuditLines{"corbel_audit_lines_total", "Lines of the audit log.", "outcome"};
inline constexpr CounterSpec kAuditOmitted{"corbel_audit_omitted_total", "Refusals without a line of their own, because there were too many."};

// The process
inline constexpr CounterSpec kLogDropped{"corbel_log_dropped_total", "Log lines dropped because the log was read too slowly."};
inline constexpr GaugeSpec kBuildInfo{"corbel_build_info", "1, with the version as label.", "version"};
inline constexpr CounterSpec kProcessCpu{"process_cpu_seconds_total", "CPU time used by user and system."};
inline constexpr GaugeSpec kProcessResident{"process_resident_memory_bytes", "Memory resident."};
inline constexpr GaugeSpec kProcessVirtual{"process_virtual_memory_bytes", "Address space in use."};
inline constexpr GaugeSpec kProcessFiles{"process_open_fds", "Descriptors open."};
inline constexpr GaugeSpec kProcessFilesMax{"process_max_fds", "Descriptors allowed."};
inline constexpr GaugeSpec kProcessStart{"process_start_time_seconds", "Start, in seconds since 1970."};
inline constexpr GaugeSpec kProcessThreads{"process_threads", "Threads."};
// clang-format on

}  // namespace corbel::metrics

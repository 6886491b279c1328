// Who takes the outbox's events where.
#include <chrono>
#include <utility>

#include "app/app.h"
#include "app/event_sinks.h"
#include "telemetry/log.h"

namespace corbel::app {
namespace {

// A receiver that does not answer holds up those of its lane for some seconds, never the others.
constexpr std::size_t kWebhookLanes = 4;

}  // namespace

Result<void> App::startEvents() {
  // A process that takes no events to sinks may not know of their settings, which alone say which
  // brokers there are.
  if (!split_->has("worker")) return {};
  const Clock& clock = installation_->clock;
  if (config::postgresUrl(settings_).empty())
    CORBEL_CHECK(installation_->outbox->endLeases(startDeadline(clock)));
  CORBEL_TRY(const std::int64_t forgotten,
             installation_->outbox->forgetOtherSinks(startDeadline(clock)));
  if (forgotten > 0) {
    log::warn("app", "events were dropped that waited for a broker that is not configured any more",
              {{"events", forgotten}});
  }
  const events::DispatchParts parts{*installation_->database, installation_->ids,
                                    installation_->random, clock, metrics_};
  eventSinks_ = makeEventSinks(settings_, clock);
  for (const auto& sink : eventSinks_)
    dispatchers_.push_back(std::make_unique<events::Dispatcher>(parts, *sink));
  eventSinks_.push_back(std::make_unique<events::WebhookSink>(*webhooks_));
  for (std::size_t lane = 0; lane < kWebhookLanes; ++lane) {
    dispatchers_.push_back(std::make_unique<events::Dispatcher>(parts, *eventSinks_.back(),
                                                                events::Lane{lane, kWebhookLanes}));
  }
  installation_->outbox->onWake([this] {
    for (const auto& dispatcher : dispatchers_) dispatcher->wake();
  });
  return {};
}

// Endpoints belong to tenants and are not asked here: theirs are the lists of deliveries.
native::HealthCheck App::sinkCheck(const events::Dispatcher& dispatcher) {
  return {"events." + std::string(dispatcher.sink()),
          [&dispatcher](Deadline) -> Result<native::HealthCheck::Figures> {
            const auto status = dispatcher.status();
            if (status.failures >= events::Courier::kBreakerFailures) {
              return fail(ErrorCode::unavailable, status.lastError + ". " +
                                                      std::to_string(status.pending) +
                                                      " events wait, the oldest for " +
                                                      std::to_string(status.lag.count()) + " s.");
            }
            return native::HealthCheck::Figures{
                {"pending", static_cast<double>(status.pending)},
                {"lagSeconds", static_cast<double>(status.lag.count())}};
          },
          // Its breaker is the dispatcher's own: one layer alone tries again.
          [&dispatcher] {
            const bool isOpen = dispatcher.status().failures >= events::Courier::kBreakerFailures;
            return resilience::Snapshot{.name = std::string(dispatcher.sink()),
                                        .breaker = isOpen ? resilience::BreakerState::open
                                                          : resilience::BreakerState::closed};
          }};
}

}  // namespace corbel::app

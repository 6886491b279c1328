// Which sinks of events the settings ask for.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/settings.h"
#include "events/events.h"
#include "net/post.h"

namespace corbel::app {

// Brokers that get every event.
std::vector<std::string> eventSinkNames(const config::Settings& settings);
std::vector<std::unique_ptr<events::EventSink>> makeEventSinks(const config::Settings& settings,
                                                               const Clock& clock);

events::Bounds outboxBounds(const config::EventSettings& settings);
net::DestinationPolicy webhookPolicy(const config::EventSettings& settings);

}  // namespace corbel::app

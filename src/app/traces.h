// Where traces go, as the settings say.
#pragma once
#include <memory>

#include "app/database.h"
#include "config/settings.h"
#include "telemetry/metrics.h"
#include "trace/exporter.h"

namespace corbel::app {

// Null: traces.endpoint is empty. Everything must outlive it.
std::unique_ptr<trace::Exporter> makeTraces(const config::TraceSettings& settings,
                                            Installation& installation, metrics::Metrics& metrics);

}  // namespace corbel::app

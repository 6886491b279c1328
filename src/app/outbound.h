// What this process asks of others and may not get: every call goes through one of these.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "config/settings.h"
#include "exec/periodic.h"
#include "identity/backend_tokens.h"
#include "identity/directory.h"
#include "identity/jwt.h"
#include "native/health_api.h"
#include "resilience/dependency.h"
#include "telemetry/metrics.h"

namespace corbel::app {

class Outbound {
 public:
  // All must outlive it.
  Outbound(const Clock& clock, Random& random, metrics::Metrics& metrics)
      : parts_{clock, random, metrics} {}

  // Valid as long as this. For the time of composition: one thread.
  resilience::Dependency& add(resilience::DependencyOptions options);
  // Null: there is none of that name.
  const resilience::Dependency* find(std::string_view name) const;
  // One for each that is not among `others` by name; those there get its breaker.
  void addTo(std::vector<native::HealthCheck>& others) const;
  const resilience::DependencyParts& parts() const { return parts_; }

 private:
  const resilience::DependencyParts parts_;
  std::vector<std::unique_ptr<resilience::Dependency>> dependencies_;
};

// The product's backend as one that knows tokens. Null: auth.backend.url is empty.
std::unique_ptr<identity::BackendTokens> makeBackendTokens(const config::BackendSettings& settings,
                                                           const identity::Directory& directory,
                                                           const Clock& clock, Outbound& outbound);

}  // namespace corbel::app

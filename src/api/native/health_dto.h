// What the server says about its health.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "json/describe.h"
#include "resilience/breaker.h"

namespace corbel::resilience {
BOOST_DESCRIBE_ENUM(BreakerState, closed, open, halfOpen)
}  // namespace corbel::resilience

namespace corbel::native {

enum class HealthStatus : std::uint8_t { healthy, degraded, draining };
BOOST_DESCRIBE_ENUM(HealthStatus, healthy, degraded, draining)

enum class DependencyState : std::uint8_t { up, down };
BOOST_DESCRIBE_ENUM(DependencyState, up, down)

struct HealthView {
  HealthStatus status = HealthStatus::healthy;
  std::string service = "corbel";
  std::string version;
  Timestamp timestamp;
};
BOOST_DESCRIBE_STRUCT(HealthView, (), (status, service, version, timestamp))

struct ProbeView {
  std::string status;
};
BOOST_DESCRIBE_STRUCT(ProbeView, (), (status))

struct BreakerView {
  resilience::BreakerState state = resilience::BreakerState::closed;
  std::optional<std::int64_t> retryInMs;
  static constexpr auto rules() {
    using Self = BreakerView;
    return std::array{
        json::rule<&Self::state>({.doc = "`open`: it is not asked, callers get what is left at "
                                         "once. `halfOpen`: the next call tries."}),
        json::rule<&Self::retryInMs>({.doc = "Until it may be asked again."})};
  }
};
BOOST_DESCRIBE_STRUCT(BreakerView, (), (state, retryInMs))

struct DependencyView {
  std::string name;
  std::optional<std::string> endpoint;
  DependencyState state = DependencyState::up;
  std::optional<BreakerView> breaker;
  double latencyMs = 0;
  std::optional<std::string> lastError;
  std::optional<Timestamp> lastErrorAt;
  std::map<std::string, double> figures;
  static constexpr auto rules() {
    using Self = DependencyView;
    return std::array{
        json::rule<&Self::breaker>({.doc = "Of what is not asked while it does not answer."}),
        json::rule<&Self::latencyMs>({.doc = "How long it took to answer now, or the last time."}),
        json::rule<&Self::lastError>({.doc = "The last time it did not work, since the start."}),
        json::rule<&Self::figures>(
            {.doc = "What it says about itself, each with its unit in the name."})};
  }
};
BOOST_DESCRIBE_STRUCT(DependencyView, (),
                      (name, endpoint, state, breaker, latencyMs, lastError, lastErrorAt, figures))

struct DetailedHealthView : HealthView {
  double uptimeSeconds = 0;
  std::vector<DependencyView> dependencies;
};
BOOST_DESCRIBE_STRUCT(DetailedHealthView, (HealthView), (uptimeSeconds, dependencies))

}  // namespace corbel::native

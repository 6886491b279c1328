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

struct DependencyView {
  std::string name;
  DependencyState state = DependencyState::up;
  double latencyMs = 0;
  std::optional<std::string> lastError;
  std::optional<Timestamp> lastErrorAt;
  std::map<std::string, double> figures;
  static constexpr auto rules() {
    using Self = DependencyView;
    return std::array{
        json::rule<&Self::latencyMs>({.doc = "How long it took to answer now."}),
        json::rule<&Self::lastError>({.doc = "The last time it did not work, since the start."}),
        json::rule<&Self::figures>(
            {.doc = "What it says about itself, each with its unit in the name."})};
  }
};
BOOST_DESCRIBE_STRUCT(DependencyView, (), (name, state, latencyMs, lastError, lastErrorAt, figures))

struct DetailedHealthView : HealthView {
  double uptimeSeconds = 0;
  std::vector<DependencyView> dependencies;
};
BOOST_DESCRIBE_STRUCT(DetailedHealthView, (HealthView), (uptimeSeconds, dependencies))

}  // namespace corbel::native

#include "app/traces.h"

#include <string>
#include <string_view>
#include <utility>

#include "app/version.h"
#include "base/text.h"
#include "net/post.h"
#include "telemetry/metric_table.h"

namespace corbel::app {
namespace {

// The operator named it: it may be private, and speak http.
net::DestinationPolicy policyFor(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  net::DestinationPolicy policy;
  if (auto host = net::parseAllowedHost(takeUntil(url, '/')))
    policy.allowed.push_back(*std::move(host));
  return policy;
}

}  // namespace

std::unique_ptr<trace::Exporter> makeTraces(const config::TraceSettings& settings,
                                            Installation& installation, metrics::Metrics& metrics) {
  static_cast<void>(metrics.of(metrics::kSpansExported).with());
  static_cast<void>(metrics.of(metrics::kSpansDropped).with());
  if (settings.endpoint.empty()) return nullptr;
  const std::string url = config::tracesUrl(settings);
  std::vector<std::pair<std::string, std::string>> headers{
      {"Content-Type", "application/x-protobuf"}};
  if (!settings.authorization.empty())
    headers.emplace_back("Authorization", settings.authorization.reveal());
  trace::ExporterOptions options{
      .service = {"corbel", std::string(kVersion), installation.ids.next()},
      .samplingRatio = settings.samplingRatio};
  return std::make_unique<trace::Exporter>(
      trace::Exporter::Parts{installation.random, installation.clock, metrics}, std::move(options),
      [url, headers = std::move(headers), policy = policyFor(url), &clock = installation.clock](
          const std::string& body, Deadline deadline) {
        return net::post({.url = url, .headers = headers, .body = body}, policy, deadline, clock);
      });
}

}  // namespace corbel::app

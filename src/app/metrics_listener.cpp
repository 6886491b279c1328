#include "app/metrics_listener.h"

#include <utility>

#include "http/status.h"

namespace corbel::app {

Result<std::unique_ptr<MetricsListener>> MetricsListener::start(const std::string& host,
                                                                std::uint16_t port,
                                                                const metrics::Metrics& metrics,
                                                                const Clock& clock) {
  std::unique_ptr<MetricsListener> listener(new MetricsListener(metrics));
  http::ServerOptions options;
  options.endpoints = {{.host = host, .port = port}};
  CORBEL_TRY(listener->server_, http::Server::start(options, *listener, clock));
  return listener;
}

void MetricsListener::onHead(const std::shared_ptr<http::Exchange>& exchange) {
  const bool reads =
      exchange->head().method == http::Method::get || exchange->head().method == http::Method::head;
  if (exchange->head().path != "/metrics" || !reads) {
    const Error error{ErrorCode::notFound, "This port serves GET /metrics alone.", {}, {}};
    return exchange->complete(http::problem(error, {}, {}));
  }
  http::Response response;
  response.contentType = metrics::Metrics::kContentType;
  response.body = metrics_.expose();
  exchange->complete(std::move(response));
}

void MetricsListener::onBody(const std::shared_ptr<http::Exchange>&) {}

void MetricsListener::onSent(http::Exchange&, const http::Sent&) {}

http::Response MetricsListener::onUnreadable(const Error& error, std::string_view,
                                             http::Exchange*) {
  return http::problem(error, {}, {});
}

}  // namespace corbel::app

// The operator's own listener, on metrics.port: metrics, and the documentation where docs.access
// says so. Nobody is asked for a credential: the operator keeps that port inside.
#pragma once
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/result.h"
#include "exec/pool.h"
#include "http/dispatcher.h"
#include "http/route.h"
#include "http/router.h"
#include "http/server.h"
#include "pages/docs_api.h"
#include "pages/icon.h"
#include "telemetry/metrics.h"

namespace corbel::app {

class AdminListener {
 public:
  // All must outlive it; `docs` is null where they are not served here.
  struct Parts {
    const metrics::Metrics& metrics;
    pages::DocsApi* docs;
    pages::Icon& icon;
    http::Admission& admission;
    http::Observer& observer;
    exec::Pool& pool;
    const Clock& clock;
    IdSource& ids;
  };

  // Errors of Server::start. `allowedHosts` as in DispatcherOptions.
  static Result<std::unique_ptr<AdminListener>> start(http::Address address, const Parts& parts,
                                                      std::vector<std::string> allowedHosts);
  void drain(Deadline deadline) { server_->drain(deadline); }

  static constexpr auto routes() {
    return std::tuple{http::get<&AdminListener::expose>(
        "/metrics", http::openToAll, "Metrics",
        {.limit = http::LimitClass::none, .contentType = "text/plain"})};
  }

 private:
  explicit AdminListener(const metrics::Metrics& metrics) : metrics_(metrics) {}
  void expose(http::Call call, http::Reply<http::Response> reply);

  const metrics::Metrics& metrics_;
  std::unique_ptr<http::Router> router_;
  std::unique_ptr<http::Dispatcher> dispatcher_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace corbel::app

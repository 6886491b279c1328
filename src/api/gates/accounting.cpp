#include "gates/accounting.h"

#include <charconv>

#include "telemetry/log.h"
#include "telemetry/metric_table.h"
#include "telemetry/redact.h"

namespace corbel::gates {

Accounting::Accounting(metrics::Metrics& metrics, Bodies bodies)
    : bodies_(bodies),
      requests_(metrics.of(metrics::kRequests)),
      durations_(metrics.of(metrics::kRequestDuration)) {}

bool Accounting::wantsBodies() const {
  return bodies_ == Bodies::logged && log::enabled("http", log::Level::debug);
}

void Accounting::onBodies(const http::CallContext& context, std::string_view request,
                          std::string_view response) {
  const std::string_view tenant =
      context.membership != nullptr ? std::string_view(context.membership->tenant) : "";
  log::debug("http", "bodies",
             {{"correlation_id", context.requestId},
              {"tenant", tenant},
              {"path", context.path},
              {"request_body", log::redactJson(request)},
              {"response_body", log::redactJson(response)}});
}

void Accounting::onAnswered(const http::Answered& answered, const http::CallContext& context) {
  const http::Sent& sent = answered.sent;
  // Paths that lead nowhere share one label: clients must not be able to make new ones.
  const std::string_view route =
      context.route != nullptr ? context.route->path : std::string_view("none");
  const std::string_view method = http::name(answered.method);
  const std::string_view tenant =
      context.membership != nullptr ? std::string_view(context.membership->tenant) : "";
  char status[8];
  const auto end = std::to_chars(status, status + sizeof status, sent.status).ptr;
  requests_.with(method, std::string_view(status, end), route, tenant).add();
  durations_.with(method, route, tenant).observe(answered.duration);

  const log::Level level = sent.status >= 500 ? log::Level::error : log::Level::info;
  if (!log::enabled("http", level)) return;
  const std::string_view principal =
      context.principal ? std::string_view(context.principal->id) : "";
  log::write(level, "http", "request",
             {{"correlation_id", context.requestId},
              {"tenant", tenant},
              {"method", method},
              {"path", context.path},
              {"status", sent.status},
              {"duration_ms", answered.duration},
              {"request_bytes", sent.requestBytes},
              {"response_bytes", sent.bodyBytes},
              {"principal", principal},
              {"remote", answered.remoteAddress},
              {"aborted", sent.aborted},
              {"code", context.errorCode},
              {"detail", log::redactText(context.errorDetail)}});
}

}  // namespace corbel::gates

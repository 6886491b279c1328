#include "gates/accounting.h"

#include <charconv>

#include "base/trace.h"
#include "telemetry/log.h"
#include "telemetry/metric_table.h"
#include "telemetry/redact.h"

namespace corbel::gates {

namespace {

// The span of the whole call. Names and attributes are OpenTelemetry's for HTTP servers.
void endTrace(const http::Answered& answered, const http::CallContext& context,
              std::string_view method, std::string_view route, std::string_view tenant) {
  const trace::CallTrace& trace = context.trace;
  trace::Recorder* const recorder = trace.position.recorder;
  if (recorder == nullptr) return;
  constexpr int kServerError = 500;
  trace::FinishedSpan span{.context = *trace.position.context,
                           .parentSpanId = trace.parentSpanId,
                           .name = std::string(method).append(" ").append(route),
                           .kind = trace::Kind::server,
                           .startNs = trace.startNs,
                           .endNs = recorder->nowNs()};
  span.attributes = {{"http.request.method", std::string(method)},
                     {"http.route", std::string(route)},
                     {"http.response.status_code", std::int64_t{answered.sent.status}},
                     {"corbel.tenant", std::string(tenant)},
                     {"corbel.request_id", context.requestId}};
  if (answered.sent.status >= kServerError) span.failure = std::string(context.errorCode);
  recorder->record(std::move(span));
}

// 32 hexadecimal digits; empty without a trace.
std::string traceIdOf(const http::CallContext& context) {
  constexpr std::size_t kBegin = 3;  // behind the version: 00-
  constexpr std::size_t kLength = 32;
  const auto& place = context.trace.position.context;
  return place ? trace::toTraceparent(*place).substr(kBegin, kLength) : std::string();
}

}  // namespace

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
  endTrace(answered, context, method, route, tenant);

  const log::Level level = sent.status >= 500 ? log::Level::error : log::Level::info;
  if (!log::enabled("http", level)) return;
  const std::string_view principal =
      context.principal ? std::string_view(context.principal->id) : "";
  log::write(level, "http", "request",
             {{"correlation_id", context.requestId},
              {"trace_id", traceIdOf(context)},
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

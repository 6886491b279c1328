#include "native/health_api.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/text.h"
#include "native/installation.h"

namespace corbel::native {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;
using Seconds = std::chrono::duration<double>;

// One that hangs must not hold the answer about the others, nor a thread of the API for long.
constexpr std::chrono::seconds kOfACheck{3};

// Probes say exactly what they want; browsers list many types and get JSON.
bool wantsText(const http::RequestHead& head) {
  std::string_view accept = head.header("Accept");
  return equalsIgnoringCase(trim(takeUntil(accept, ';')), "text/plain");
}

// What was asked just now says more than what callers met before.
void show(const resilience::Snapshot& snapshot, DependencyView& view) {
  const bool isClosed = snapshot.breaker == resilience::BreakerState::closed;
  view.breaker = BreakerView{.state = snapshot.breaker, .retryInMs = {}};
  if (!isClosed) view.state = DependencyState::down;
  if (snapshot.retryIn.count() > 0) view.breaker->retryInMs = snapshot.retryIn.count();
  if (!snapshot.endpoint.empty()) view.endpoint = snapshot.endpoint;
  if (view.latencyMs == 0 && snapshot.latency)
    view.latencyMs = Milliseconds(*snapshot.latency).count();
  if (!view.lastError && snapshot.lastError) {
    view.lastError = snapshot.lastError->message;
    view.lastErrorAt = snapshot.lastErrorAt;
  }
  if (!view.figures.empty()) return;
  view.figures = {{"answered", static_cast<double>(snapshot.answered)},
                  {"failed", static_cast<double>(snapshot.failed)},
                  {"refused", static_cast<double>(snapshot.refused)},
                  {"retried", static_cast<double>(snapshot.retried)},
                  {"running", static_cast<double>(snapshot.running)},
                  {"waiting", static_cast<double>(snapshot.waiting)}};
}

}  // namespace

HealthApi::HealthApi(Parts parts) : parts_(std::move(parts)), startedAt_(parts_.clock.steady()) {}

void HealthApi::health(http::Call call, http::Reply<http::Response> reply) {
  call.addHeader("Cache-Control", "no-store");
  if (wantsText(call.head())) {
    return reply(http::Response{
        .contentType = "text/plain; charset=utf-8", .headers = {}, .body = std::string("OK")});
  }
  const HealthView view{.status = parts_.isReady() ? HealthStatus::healthy : HealthStatus::draining,
                        .version = parts_.version,
                        .timestamp = parts_.clock.now()};
  reply(http::Response{.headers = {}, .body = json::encode(view)});
}

void HealthApi::live(http::Call call, http::Reply<ProbeView> reply) {
  call.addHeader("Cache-Control", "no-store");
  reply(ProbeView{"live"});
}

void HealthApi::ready(http::Call call, http::Reply<ProbeView> reply) {
  call.addHeader("Cache-Control", "no-store");
  if (parts_.isReady()) return reply(ProbeView{"ready"});
  reply(fail(ErrorCode::unavailable,
             "The server takes no requests: it is starting or shutting down."));
}

void HealthApi::ask(const HealthCheck& check, Deadline deadline, DependencyView& view) {
  const auto from = parts_.clock.steady();
  auto figures = check.check(deadline);
  view.latencyMs = Milliseconds(parts_.clock.steady() - from).count();
  const MutexLock lock(mutex_);
  if (figures) {
    view.figures = *std::move(figures);
  } else {
    view.state = DependencyState::down;
    lastFailures_[check.name] = {figures.error().message, parts_.clock.now()};
  }
  if (const auto last = lastFailures_.find(check.name); last != lastFailures_.end()) {
    view.lastError = last->second.message;
    view.lastErrorAt = last->second.at;
  }
}

DependencyView HealthApi::examine(const HealthCheck& check, Deadline deadline) {
  DependencyView view;
  view.name = check.name;
  if (check.check) ask(check, deadline, view);
  if (check.dependency) show(check.dependency(), view);
  return view;
}

Result<DetailedHealthView> HealthApi::detailed(http::Call& call) {
  CORBEL_CHECK(requireInstallation(call));
  call.addHeader("Cache-Control", "no-store");
  DetailedHealthView view;
  view.version = parts_.version;
  view.timestamp = parts_.clock.now();
  view.uptimeSeconds = Seconds(parts_.clock.steady() - startedAt_).count();
  for (const HealthCheck& check : parts_.checks)
    view.dependencies.push_back(
        examine(check, call.deadline().earlier(Deadline::after(parts_.clock, kOfACheck))));
  const bool isDown =
      std::ranges::count(view.dependencies, DependencyState::down, &DependencyView::state) > 0;
  view.status = !parts_.isReady() ? HealthStatus::draining
                : isDown          ? HealthStatus::degraded
                                  : HealthStatus::healthy;
  return view;
}

}  // namespace corbel::native

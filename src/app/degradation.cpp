#include "app/degradation.h"

#include <fmt/format.h>
#include <malloc.h>

#include <utility>

#include "app/event_sinks.h"
#include "net/ask.h"
#include "telemetry/log.h"
#include "telemetry/process.h"

namespace corbel::app {
namespace {

constexpr std::size_t kAnswerBytes = std::size_t{256} * 1024;
// So that an answer in its place, or an error, comes within a second.
constexpr std::chrono::milliseconds kEndpointTime{800};
constexpr std::size_t kOwnersMax = 256;
constexpr std::size_t kLateMax = 10'000;
constexpr std::chrono::milliseconds kLookEvery{250};

Result<std::string> bodyOf(const std::string& url, const std::string& body,
                           const net::DestinationPolicy& policy, resilience::Permit& permit,
                           const Clock& clock) {
  const net::Question question{
      .method = "POST",
      .url = url,
      .headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}},
      .body = body};
  const net::AskOptions options{.destination = policy, .maxBytes = kAnswerBytes};
  CORBEL_TRY(auto answer, net::ask(question, options, permit.deadline(), clock));
  if (answer.status == 200) return std::move(answer.body);
  if (answer.status == 429)
    permit.pushBack(answer.retryAfter.value_or(std::chrono::seconds(1)));
  else if (answer.status < 500)
    permit.countAs(resilience::Outcome::answered);
  return fail(ErrorCode::unavailable,
              fmt::format("The endpoint answered with status {}.", answer.status));
}

// It is made for POST: that it refuses anything else is an answer, too.
Result<void> checkThere(const std::string& url, Deadline deadline, const Clock& clock) {
  constexpr int kNotImplemented = 501;
  const net::AskOptions options{.destination = {.anyHost = true}, .maxBytes = kAnswerBytes};
  CORBEL_TRY(const auto answer, net::ask({.method = "HEAD", .url = url}, options, deadline, clock));
  if (answer.status < 500 || answer.status == kNotImplemented) return {};
  return fail(ErrorCode::unavailable, "It answers with an error.");
}

}  // namespace

FallbackEndpoints::FallbackEndpoints(std::string operatorUrl, net::DestinationPolicy ownersPolicy,
                                     Outbound& outbound)
    : operatorUrl_(std::move(operatorUrl)),
      ownersPolicy_(std::move(ownersPolicy)),
      parts_(outbound.parts()) {
  if (operatorUrl_.empty()) return;
  operators_ =
      &outbound.add({.name = "inference.fallback",
                     .endpoint = operatorUrl_,
                     .cap = kEndpointTime,
                     .probe = [url = operatorUrl_, &clock = parts_.clock](Deadline deadline) {
                       return checkThere(url, deadline, clock);
                     }});
}

std::shared_ptr<resilience::Dependency> FallbackEndpoints::ownersAt(const std::string& url) {
  const MutexLock lock(mutex_);
  if (const auto known = owners_.find(url); known != owners_.end()) return known->second;
  // Their breakers begin anew; that many are not in use.
  if (owners_.size() >= kOwnersMax) owners_.clear();
  auto made = std::make_shared<resilience::Dependency>(
      resilience::DependencyOptions{
          .name = "inference.fallback.owners", .endpoint = url, .cap = kEndpointTime},
      parts_);
  owners_.emplace(url, made);
  return made;
}

Result<std::string> FallbackEndpoints::ask(const std::string& url, const std::string& body,
                                           Deadline deadline) {
  if (url.empty()) {
    return operators_->call(deadline, [&](resilience::Permit& permit) {
      return bodyOf(operatorUrl_, body, {.anyHost = true}, permit, parts_.clock);
    });
  }
  const auto dependency = ownersAt(url);
  return dependency->call(deadline, [&](resilience::Permit& permit) {
    return bodyOf(url, body, ownersPolicy_, permit, parts_.clock);
  });
}

Degradation::Degradation(const config::Settings& settings, const Parts& parts)
    : endpoints_(settings.inference.fallbackUrl, webhookPolicy(settings.events), parts.outbound),
      fallback_({parts.registry, parts.serving, parts.cache, parts.metrics, parts.ids, parts.clock,
                 parts.loads,
                 [this](const std::string& url, const std::string& body, Deadline deadline) {
                   return endpoints_.ask(url, body, deadline);
                 },
                 endpoints_.hasOperators()}),
      timer_(kLateMax),
      fallbacks_{fallback_, parts.pool, timer_} {}

MemoryWatch::MemoryWatch(std::uint64_t limitBytes, const Parts& parts)
    : limitBytes_(limitBytes), parts_(parts), periodic_(kLookEvery, [this] { look(); }) {}

void MemoryWatch::look() {
  using resilience::MemoryLevel;
  const MemoryLevel before = parts_.guard.level();
  const MemoryLevel now =
      parts_.guard.update({metrics::residentBytes(), limitBytes_}, resilience::readGroupMemory());
  if (now != before) {
    now > before
        ? log::warn("app", "memory is getting short", {{"level", resilience::name(now)}})
        : log::info("app", "there is more memory again", {{"level", resilience::name(now)}});
  }
  if (now < MemoryLevel::shrink) return;
  parts_.cache.shrink();
  // The last one stays: it would be loaded again for the next prediction.
  if (parts_.serving.stats().models > 1) parts_.serving.giveUpOldest();
  if (now != before) ::malloc_trim(0);
}

}  // namespace corbel::app

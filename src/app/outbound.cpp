#include "app/outbound.h"

#include <algorithm>
#include <utility>

#include "net/ask.h"

namespace corbel::app {

resilience::Dependency& Outbound::add(resilience::DependencyOptions options) {
  dependencies_.push_back(std::make_unique<resilience::Dependency>(std::move(options), parts_));
  return *dependencies_.back();
}

const resilience::Dependency* Outbound::find(std::string_view name) const {
  const auto found = std::ranges::find(
      dependencies_, name, [](const auto& one) { return std::string_view(one->name()); });
  return found == dependencies_.end() ? nullptr : found->get();
}

void Outbound::addTo(std::vector<native::HealthCheck>& others) const {
  for (const auto& one : dependencies_) {
    const auto snapshot = [dependency = one.get()] { return dependency->snapshot(); };
    const auto other = std::ranges::find(others, one->name(), &native::HealthCheck::name);
    if (other == others.end()) {
      others.push_back({.name = one->name(), .dependency = snapshot});
    } else {
      other->dependency = snapshot;
    }
  }
}

namespace {

using Answer = identity::BackendTokens::Answer;

constexpr std::size_t kAnswerBytes = std::size_t{64} * 1024;
// As many as ask at once; the pool that waits for them has as many threads.
constexpr std::size_t kConcurrent = 32;

Result<net::Answer> askBackend(const config::BackendSettings& settings, std::string_view token,
                               Deadline deadline, const Clock& clock) {
  std::string url = settings.url;
  while (url.ends_with('/')) url.pop_back();
  net::Question question{.method = settings.method, .url = url + settings.path};
  question.headers.emplace_back("Accept", "application/json");
  if (!token.empty())
    question.headers.emplace_back("Authorization", "Bearer " + std::string(token));
  const net::AskOptions options{.destination = {.anyHost = true},
                                .connectMax = settings.connectTimeout,
                                .maxBytes = kAnswerBytes,
                                .caFile = settings.caFile};
  return net::ask(question, options, deadline, clock);
}

}  // namespace

std::unique_ptr<identity::BackendTokens> makeBackendTokens(const config::BackendSettings& settings,
                                                           const identity::Directory& directory,
                                                           const Clock& clock, Outbound& outbound) {
  if (settings.url.empty()) return nullptr;
  auto& backend =
      outbound.add({.name = "auth.backend",
                    .endpoint = settings.url,
                    .cap = settings.timeout,
                    .bulkhead = {.running = kConcurrent, .waiting = 2 * kConcurrent},
                    // Without a token it says 401 when it is well.
                    .probe = [settings, &clock](Deadline deadline) -> Result<void> {
                      CORBEL_TRY(const auto answer, askBackend(settings, {}, deadline, clock));
                      if (answer.status < 500) return {};
                      return fail(ErrorCode::unavailable, "It answers with an error.");
                    }});
  const auto ask = [settings, &clock](std::string_view token, Deadline deadline) -> Result<Answer> {
    CORBEL_TRY(auto answer, askBackend(settings, token, deadline, clock));
    return Answer{answer.status, std::move(answer.body), answer.retryAfter};
  };
  return std::make_unique<identity::BackendTokens>(
      identity::BackendTokens::Parts{directory, clock, backend}, ask,
      identity::ClaimMap{settings.claims.user, settings.claims.roles, settings.claims.tenants});
}

}  // namespace corbel::app

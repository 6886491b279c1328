#include "app/split.h"

#include <utility>

#include "telemetry/log.h"

namespace corbel::app {
namespace {

// A call waits on a thread of its own; as many as a dependency may hold (bulkhead).
constexpr unsigned kThreads = 16;
constexpr std::size_t kWaiting = 256;
// Of what a call may take, half counts as a failure of the other process.
constexpr std::chrono::milliseconds kAnswerMax{5'000};
// Files take as long as their clients like.
constexpr unsigned kFileThreads = 8;
constexpr std::size_t kFilesWaiting = 64;

std::unique_ptr<exec::Pool> makePool(std::string name, unsigned threads, std::size_t waiting,
                                     const Clock& clock) {
  return std::make_unique<exec::Pool>(
      exec::PoolOptions{.name = std::move(name),
                        .threads = threads,
                        .queueBound = waiting,
                        .onThrow =
                            [](std::string_view what) {
                              log::error("app", "a call was not passed on", {{"detail", what}});
                            }},
      clock);
}

}  // namespace

Split::Split(const config::ServerSettings& settings, Installation& installation,
             const resilience::DependencyParts& parts,
             std::unique_ptr<identity::ServiceTokens> tokens)
    : settings_(settings),
      tokens_(std::move(tokens)),
      client_(installation.clock),
      pool_(makePool("relay", settings.roleUrls.empty() ? 1 : kThreads, kWaiting,
                     installation.clock)),
      files_(makePool("relay-files", settings.roleUrls.empty() ? 1 : kFileThreads, kFilesWaiting,
                      installation.clock)),
      relay_({*tokens_, *pool_, *files_, installation.clock}) {
  for (const auto& [role, url] : settings.roleUrls) {
    if (has(role)) continue;
    // The pools are the bound of what is passed on at once.
    processes_.try_emplace(
        role,
        resilience::DependencyOptions{
            .name = "role." + role,
            .endpoint = url,
            .cap = kAnswerMax,
            .bulkhead = {.running = kThreads + kFileThreads, .waiting = 0},
            .probe = [this, url](Deadline deadline) { return checkAlive(url, deadline); }},
        parts);
  }
}

Result<std::unique_ptr<Split>> Split::open(const config::Settings& settings,
                                           Installation& installation,
                                           const resilience::DependencyParts& parts) {
  CORBEL_TRY(const Secret secret,
             installation.vault->shared("service tokens", startDeadline(installation.clock)));
  std::vector<std::string> services;
  for (const std::string_view role : config::roleNames()) {
    if (config::hasRole(settings.server, role)) services.emplace_back(role);
  }
  CORBEL_TRY(auto tokens, identity::ServiceTokens::make(secret, std::move(services),
                                                        installation.clock, installation.ids));
  return std::unique_ptr<Split>(new Split(settings.server, installation, parts, std::move(tokens)));
}

std::vector<http::Route> Split::routesOf(std::string_view role, std::vector<http::Route> mounted,
                                         std::vector<http::Route> described) {
  if (has(role)) return mounted;
  const auto url = settings_.roleUrls.find(std::string(role));
  if (url == settings_.roleUrls.end()) return {};
  return relay_.routes(
      std::move(described),
      {.role = std::string(role), .url = url->second, .process = processes_.at(std::string(role))});
}

std::vector<native::HealthCheck> Split::healthChecks() {
  std::vector<native::HealthCheck> checks;
  for (const auto& [role, url] : settings_.roleUrls) {
    if (has(role)) continue;
    checks.push_back({"role." + role, [this, url](Deadline deadline) { return ask(url, deadline); },
                      [process = &processes_.at(role)] { return process->snapshot(); }});
  }
  return checks;
}

// Also one that is not ready answers for itself.
Result<void> Split::checkAlive(const std::string& url, Deadline deadline) {
  return client_.run({.method = "GET", .url = url + "/health/live"}, deadline);
}

Result<native::HealthCheck::Figures> Split::ask(const std::string& url, Deadline deadline) {
  int status = 0;
  CORBEL_CHECK(client_.run({.method = "GET",
                            .url = url + "/health/ready",
                            .onHead =
                                [&status](const net::StreamingHead& head) {
                                  status = head.status;
                                  return true;
                                }},
                           deadline));
  if (status == 200) return native::HealthCheck::Figures{};
  return fail(ErrorCode::unavailable,
              "The process answers with status " + std::to_string(status) + ".");
}

}  // namespace corbel::app

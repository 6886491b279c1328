// Is it up, is it ready, and what it depends on. See docs/operations.md.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "http/route.h"
#include "native/health_dto.h"
#include "resilience/dependency.h"

namespace corbel::native {

// Something the server needs. Both functions run on the api pool, on several threads at once.
struct HealthCheck {
  using Figures = std::map<std::string, double>;  // with their unit in the name, as usedBytes
  std::string name;
  // Asks it now, within the deadline. An error means that it does not work; its message is shown to
  // callers with system:read. Empty: `dependency` says how it did lately.
  std::function<Result<Figures>(Deadline)> check = {};
  // Of what has a breaker; must not wait.
  std::function<resilience::Snapshot()> dependency = {};
};

class HealthApi {
 public:
  struct Parts {
    std::string version;
    const Clock& clock;  // must outlive it
    std::function<bool()>
        isReady;  // false while starting and draining; asked on network threads, must not block
    std::vector<HealthCheck> checks;
  };
  explicit HealthApi(Parts parts);

  // Health is not limited: a probe must never fail because somebody else asked too often.
  static constexpr auto routes() {
    using http::Permission;
    constexpr http::RouteOptions kShort{
        .limit = http::LimitClass::none,
        .description = "`Accept: text/plain` is answered with `OK`.",
        .answer = &json::kType<HealthView>};
    constexpr http::RouteOptions kDetailed{
        .limit = http::LimitClass::none,
        .description =
            "Each dependency is asked now. The answer is 200 even when one of them is down. About "
            "the whole "
            "installation: for callers of the tenant `default`."};
    return std::tuple{
        http::get<&HealthApi::health>("/health", http::openToAll, "Is the server up?", kShort),
        http::get<&HealthApi::live>("/health/live", http::openToAll, "Is the process alive?",
                                    {.limit = http::LimitClass::none}),
        http::get<&HealthApi::ready>(
            "/health/ready", http::openToAll, "Does it take requests?",
            {.limit = http::LimitClass::none,
             .description = "503 while it starts and while it shuts down."}),
        http::get<&HealthApi::detailed>("/health/detailed", Permission::systemRead,
                                        "How are its dependencies?", kDetailed),
        http::get<&HealthApi::health>("/api/v1/ai/health", http::openToAll, "Is the server up?",
                                      kShort),
        http::get<&HealthApi::detailed>("/api/ai/admin/health", Permission::systemRead,
                                        "How are its dependencies?", kDetailed)};
  }

 private:
  void health(http::Call call, http::Reply<http::Response> reply);
  void live(http::Call call, http::Reply<ProbeView> reply);
  void ready(http::Call call, http::Reply<ProbeView> reply);
  Result<DetailedHealthView> detailed(http::Call& call);

  struct Failure {
    std::string message;
    Timestamp at;
  };
  DependencyView examine(const HealthCheck& check, Deadline deadline);
  void ask(const HealthCheck& check, Deadline deadline, DependencyView& view);

  Parts parts_;
  SteadyTime startedAt_;
  Mutex mutex_;
  std::map<std::string, Failure> lastFailures_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::native

// Which parts of the program this process serves, and how it reaches the others.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/database.h"
#include "base/result.h"
#include "config/settings.h"
#include "exec/pool.h"
#include "http/route.h"
#include "identity/service_tokens.h"
#include "native/health_api.h"
#include "net/streaming_client.h"
#include "relay/relay.h"
#include "resilience/dependency.h"

namespace corbel::app {

class Split {
 public:
  // Everything must outlive it.
  static Result<std::unique_ptr<Split>> open(const config::Settings& settings,
                                             Installation& installation,
                                             const resilience::DependencyParts& parts);

  // Whether this process serves the role.
  bool has(std::string_view role) const { return config::hasRole(settings_, role); }
  identity::ServiceTokens& tokens() { return *tokens_; }

  // `mounted` where the role is here; the same routes, passed on, where server.roleUrls says so;
  // else none.
  std::vector<http::Route> routesOf(std::string_view role, std::vector<http::Route> mounted,
                                    std::vector<http::Route> described);
  // Of the processes that calls are passed on to.
  std::vector<native::HealthCheck> healthChecks();
  // What still runs at the deadline is given up.
  void stop(Deadline deadline) {
    pool_->stop(deadline);
    files_->stop(deadline);
    relay_.stop();
  }
  // Waits for what still runs; nothing is passed on any more.
  void join() {
    pool_.reset();
    files_.reset();
  }

 private:
  Split(const config::ServerSettings& settings, Installation& installation,
        const resilience::DependencyParts& parts, std::unique_ptr<identity::ServiceTokens> tokens);
  Result<void> checkAlive(const std::string& url, Deadline deadline);
  Result<native::HealthCheck::Figures> ask(const std::string& url, Deadline deadline);

  const config::ServerSettings settings_;
  const std::unique_ptr<identity::ServiceTokens> tokens_;
  net::StreamingClient client_;
  std::map<std::string, resilience::Dependency> processes_;  // by role; of others
  std::unique_ptr<exec::Pool> pool_;
  std::unique_ptr<exec::Pool> files_;
  relay::Relay relay_;
};

}  // namespace corbel::app

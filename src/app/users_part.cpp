#include "app/users_part.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "app/operator_act.h"
#include "telemetry/log.h"
#include "telemetry/metric_table.h"

namespace corbel::app {
namespace {

// Each works on one password at a time: so much memory and processor time strangers can take.
constexpr unsigned kHashingsAtOnce = 2;
// Those who wait longer than some two seconds have gone.
constexpr std::size_t kWaitingMax = 64;

exec::PoolOptions poolOptions(metrics::Metrics& metrics) {
  constexpr std::string_view kName = "sign-in";
  auto& waits = metrics.of(metrics::kPoolWait).with(kName);
  return {.name = std::string(kName),
          .threads = kHashingsAtOnce,
          .queueBound = kWaitingMax,
          .onWait = [&waits](std::chrono::nanoseconds wait) { waits.observe(wait); },
          .onThrow =
              [](std::string_view what) { log::error("app", "work failed", {{"detail", what}}); }};
}

native::CookieOptions cookieOptions(const config::SessionSettings& settings) {
  return {.maxAge = settings.max, .alwaysSecure = settings.cookie == "secure"};
}

void append(std::vector<http::Route>& all, std::vector<http::Route> more) {
  std::ranges::move(more, std::back_inserter(all));
}

}  // namespace

UsersPart::UsersPart(const Parts& parts)
    : installation_(parts.installation),
      passwords_(installation_.clock, installation_.random, {.atOnce = kHashingsAtOnce}),
      users_({*installation_.database, *installation_.directory, passwords_, installation_.clock,
              installation_.ids}),
      sessions_({*installation_.database, *installation_.directory, passwords_, parts.limiter,
                 installation_.clock, installation_.random, installation_.ids},
                {.idle = parts.settings.idle, .absolute = parts.settings.max}),
      link_({*installation_.database, passwords_, sessions_, installation_.clock,
             installation_.random, installation_.ids}),
      pool_(std::make_unique<exec::Pool>(poolOptions(parts.metrics), installation_.clock)),
      usersApi_(users_, *installation_.directory),
      sessionApi_({sessions_, *pool_, cookieOptions(parts.settings)}),
      setupApi_({link_, *pool_, cookieOptions(parts.settings)}) {
  users_.onChange([this] { sessions_.forget(); });
}

std::vector<http::Route> UsersPart::mount() {
  std::vector<http::Route> all = http::mount(usersApi_, "Users");
  append(all, http::mount(sessionApi_, "Users"));
  append(all, http::mount(setupApi_, "Users"));
  append(all, http::mount(pages_, ""));
  return all;
}

std::vector<http::Route> UsersPart::describe() {
  std::vector<http::Route> all = http::describe<native::UsersApi>("Users");
  append(all, http::describe<native::SessionApi>("Users"));
  append(all, http::describe<native::SetupApi>("Users"));
  return all;
}

Result<std::optional<Secret>> UsersPart::makeSetupLink() {
  return asOperator(
      installation_, {std::string(identity::kDefaultTenant), "first start", "command line"},
      [this](const identity::Actor&) { return link_.make(startDeadline(installation_.clock)); });
}

}  // namespace corbel::app

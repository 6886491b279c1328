#include "redis/limit_buckets.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "connection.h"
#include "key_name.h"
#include "limit_script.h"

namespace corbel::redis {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

// A log and a counter are different things in Redis, so each has a name of its own.
std::string keyOf(const limits::Charge& charge) {
  std::string key = "corbel:limit:";
  key.append(charge.quota.policy);
  key += charge.quota.limit > limits::kExactUpTo ? ":counter:" : ":log:";
  return key + keyName(charge.key.tenant, charge.key.principal);
}

// As the script wants them, keys first.
std::vector<std::string> argumentsOf(std::span<const limits::Charge> charges) {
  std::vector<std::string> arguments;
  for (const limits::Charge& charge : charges) arguments.push_back(keyOf(charge));
  arguments.push_back(std::to_string(limits::kExactUpTo));
  for (const limits::Charge& charge : charges) {
    arguments.push_back(std::to_string(charge.quota.limit));
    arguments.push_back(std::to_string(microseconds(charge.quota.window).count()));
    arguments.push_back(std::to_string(charge.cost));
  }
  return arguments;
}

bool isAnswer(const Reply& reply, std::size_t charges) {
  constexpr std::int64_t kYear = 366LL * 24 * 3600 * 1'000'000;
  const auto isIn = [](const Reply& element, std::int64_t max) {
    return element.kind == Reply::Kind::integer && element.integer >= 0 && element.integer <= max;
  };
  return reply.kind == Reply::Kind::array && reply.elements.size() == 4 &&
         isIn(reply.elements[0], static_cast<std::int64_t>(charges)) &&
         isIn(reply.elements[1], UINT32_MAX) && isIn(reply.elements[2], kYear) &&
         isIn(reply.elements[3], kYear);
}

limits::Decision decisionOf(const Reply& reply, std::span<const limits::Charge> charges) {
  const auto refused = static_cast<std::size_t>(reply.elements[0].integer);
  const limits::Charge& charge = charges[refused == 0 ? 0 : refused - 1];
  const auto roundedUp = [&reply](std::size_t index) {
    return std::chrono::ceil<seconds>(microseconds(reply.elements[index].integer));
  };
  limits::Decision decision{.allowed = refused == 0,
                            .policy = charge.quota.policy,
                            .limit = charge.quota.limit,
                            .remaining = static_cast<std::uint32_t>(reply.elements[1].integer),
                            .window = charge.quota.window,
                            .reset = roundedUp(2)};
  if (!decision.allowed && charge.cost <= charge.quota.limit)
    decision.retryAfter = std::max(roundedUp(3), seconds(1));
  return decision;
}

}  // namespace

LimitBuckets::LimitBuckets(Client& client)
    : client_(client), script_(kLimitScript), losses_(client.losses()) {}

Result<limits::Decision> LimitBuckets::take(std::span<const limits::Charge> charges,
                                            Deadline deadline) {
  if (client_.losses() != losses_)
    return fail(ErrorCode::unavailable, "Redis was away and may have forgotten what was used.");
  const std::vector<std::string> arguments = argumentsOf(charges);
  const std::vector<std::string_view> views(arguments.begin(), arguments.end());
  CORBEL_TRY(const Reply reply, script_.run(client_, charges.size(), views, deadline));
  if (isAnswer(reply, charges.size())) return decisionOf(reply, charges);
  // Its words may show keys, but never values; they are for the operator.
  return fail(ErrorCode::unavailable, reply.kind == Reply::Kind::error
                                          ? "Redis cannot count: " + shown(reply.text)
                                          : "Redis answered with nonsense.");
}

Result<void> LimitBuckets::rejoin(Deadline deadline) {
  constexpr limits::Charge kProbe{
      .key = {}, .quota = {.policy = "probe", .limit = limits::kExactUpTo, .window = seconds(1)}};
  losses_ = client_.losses();
  CORBEL_CHECK(take(std::span(&kProbe, 1), deadline));
  return {};
}

}  // namespace corbel::redis

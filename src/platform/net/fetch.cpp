#include "net/fetch.h"

#include <fmt/format.h>

#include <utility>

#include "net/destination.h"
#include "net/exchange.h"

namespace corbel::net {
namespace {

Result<Rules> rulesOf(const std::string& url, const FetchOptions& options) {
  auto destination = readDestination(url, {.anyHost = true});
  if (!destination)
    return fail(ErrorCode::invalidArgument,
                fmt::format("The URL {}.", destination.error().message));
  const bool isPlain = destination->scheme == "http";
  if (isPlain && !options.plainHttpToLoopback)
    return fail(ErrorCode::invalidArgument, "The URL must begin with https://.");
  return Rules{.schemes = std::move(destination->scheme),
               .reach = isPlain ? Reach::thisMachine : Reach::anywhere,
               .caFile = options.caFile};
}

}  // namespace

Result<std::string> fetch(const std::string& url, const FetchOptions& options, Deadline deadline,
                          const Clock& clock) {
  CORBEL_TRY(const Rules rules, rulesOf(url, options));
  CORBEL_TRY(Kept kept, exchangeWhole({.method = "GET", .url = url}, rules, options.maxBytes,
                                      deadline, clock));
  if (kept.head.status == 200) return std::move(kept.body);
  return fail(ErrorCode::unavailable,
              fmt::format("The server answered with status {}, not 200.", kept.head.status));
}

}  // namespace corbel::net

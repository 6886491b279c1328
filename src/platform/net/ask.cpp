#include "net/ask.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/text.h"
#include "net/exchange.h"

namespace corbel::net {
namespace {

std::optional<std::chrono::seconds> retryAfterOf(const Kept& kept) {
  constexpr std::int64_t kDay = 86'400;
  const auto seconds = parseNumber<std::int64_t>(kept.header("retry-after"));
  if (!seconds || *seconds <= 0) return std::nullopt;
  return std::chrono::seconds(std::min(*seconds, kDay));
}

}  // namespace

Result<Answer> ask(const Question& question, const AskOptions& options, Deadline deadline,
                   const Clock& clock) {
  CORBEL_TRY(Rules rules, rulesFor(question.url, options.destination));
  rules.caFile = options.caFile;
  rules.connectMax = options.connectMax;
  StreamingRequest wanted{
      .method = question.method, .url = question.url, .headers = question.headers};
  if (!question.body.empty()) {
    wanted.body = inPieces(question.body);
    wanted.bodyBytes = question.body.size();
  }
  CORBEL_TRY(Kept kept, exchangeWhole(std::move(wanted), rules, options.maxBytes, deadline, clock));
  return Answer{kept.head.status, std::move(kept.body), retryAfterOf(kept)};
}

}  // namespace corbel::net

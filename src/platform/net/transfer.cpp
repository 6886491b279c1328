#include "net/transfer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "net/exchange.h"

namespace corbel::net {
namespace {

// As much as there is left, at the most; less than that is the end of the exchange.
auto bodyOf(const Transfer& wanted) {
  return [&wanted,
          left = wanted.bodyBytes](std::span<char> space) mutable -> std::optional<std::size_t> {
    const auto most = static_cast<std::size_t>(
        std::min<std::int64_t>(static_cast<std::int64_t>(space.size()), left));
    if (most == 0) return 0;
    const std::size_t given = wanted.read(space.first(most));
    left -= static_cast<std::int64_t>(given);
    return given == 0 ? std::nullopt : std::optional(given);
  };
}

}  // namespace

std::string_view Transferred::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &std::pair<std::string, std::string>::first);
  return found == headers.end() ? std::string_view() : found->second;
}

Result<Transferred> transfer(const Transfer& wanted, Deadline deadline, const Clock& clock) {
  Transferred answer;
  bool tooLong = false;
  StreamingRequest request{.method = wanted.method,
                           .url = wanted.url,
                           .headers = wanted.headers,
                           .onHead =
                               [&](StreamingHead head) {
                                 answer.status = head.status;
                                 answer.headers = std::move(head.headers);
                                 return true;
                               },
                           .onBody =
                               [&](std::string_view piece) {
                                 if (wanted.write && answer.status / 100 == 2)
                                   return wanted.write(piece);
                                 tooLong = piece.size() > kKeptBytes - answer.body.size();
                                 if (!tooLong) answer.body += piece;
                                 return !tooLong;
                               },
                           .stallMax = wanted.stallMax};
  if (wanted.read) {
    request.body = bodyOf(wanted);
    request.bodyBytes = static_cast<std::uint64_t>(wanted.bodyBytes);
  }
  const Handle handle = newHandle();
  const auto outcome = exchange(handle.get(), request, {.caFile = wanted.caFile}, deadline, clock);
  if (tooLong) return fail(ErrorCode::unavailable, "The server's answer is longer than expected.");
  if (!outcome) return std::unexpected(outcome.error());
  return answer;
}

}  // namespace corbel::net

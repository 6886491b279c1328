#include "net/ask.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "net/outbound_request.h"

namespace corbel::net {
namespace {

struct Body {
  std::string text;
  std::size_t maxBytes;
};

std::size_t append(char* bytes, std::size_t, std::size_t count, void* to) {
  Body& body = *static_cast<Body*>(to);
  if (count > body.maxBytes - body.text.size()) return 0;
  body.text.append(bytes, count);
  return count;
}

std::optional<std::chrono::seconds> retryAfterOf(CURL* easy) {
  curl_off_t seconds = 0;
  if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) != CURLE_OK || seconds <= 0)
    return std::nullopt;
  return std::chrono::seconds(std::min<curl_off_t>(seconds, 86'400));
}

}  // namespace

Result<Answer> ask(const Question& question, const AskOptions& options, Deadline deadline,
                   const Clock& clock) {
  CORBEL_TRY(OutboundRequest request, OutboundRequest::make(question.url, options.destination,
                                                            question.headers, deadline, clock));
  CURL* const easy = request.easy();
  Body body{.text = {}, .maxBytes = options.maxBytes};
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, question.method.c_str());
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   std::max<long>(static_cast<long>(options.connectMax.count()), 1));
  if (!options.caFile.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.caFile.c_str());
  if (!question.body.empty()) request.send(question.body);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &append);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
  const CURLcode outcome = request.run();
  if (outcome == CURLE_WRITE_ERROR) {
    return fail(ErrorCode::unavailable,
                fmt::format("The answer is longer than {} bytes.", options.maxBytes));
  }
  CORBEL_CHECK(request.check(outcome, "The server"));
  return Answer{request.status(), std::move(body.text), retryAfterOf(easy)};
}

}  // namespace corbel::net

#include "gates/keyed_requests.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace corbel::gates {
namespace {

// After these nothing was done, and another attempt may end otherwise.
constexpr std::array kPassing = {408, 409, 429, 503, 504, 507};

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kProblem = "application/problem+json";

bool isKept(int status) {
  return status >= 200 && status <= 500 && std::ranges::find(kPassing, status) == kPassing.end();
}

std::string valueOf(const http::Call& call, const http::Response& response, std::string_view name) {
  using Headers = std::vector<std::pair<std::string_view, std::string>>;
  const Headers& added = call.context().responseHeaders;
  for (const Headers* headers : {&response.headers, &added}) {
    const auto found = std::ranges::find(*headers, name, &Headers::value_type::first);
    if (found != headers->end()) return found->second;
  }
  return {};
}

std::optional<idempotency::Answer> answerOf(const http::Call& call,
                                            const http::Response& response) {
  const auto* body = std::get_if<std::string>(&response.body);
  if (body == nullptr || body->size() > idempotency::kBodyBytes) return std::nullopt;
  return idempotency::Answer{.status = response.status,
                             .contentType = std::string(response.contentType),
                             .location = valueOf(call, response, "Location"),
                             .etag = valueOf(call, response, "ETag"),
                             .body = *body,
                             .hasSecret = valueOf(call, response, "Cache-Control") == "no-store"};
}

Result<std::optional<http::Response>> replay(http::Call& call, idempotency::Answer answer) {
  call.addHeader("Idempotency-Replayed", "true");
  if (!answer.location.empty()) call.addHeader("Location", std::move(answer.location));
  if (!answer.etag.empty()) call.addHeader("ETag", std::move(answer.etag));
  if (answer.hasSecret) {
    return fail(ErrorCode::alreadyExists,
                "The first request with this Idempotency-Key was carried out. Its answer held a "
                "secret, which was shown once and is not kept.");
  }
  // Content types of responses are literals.
  std::string_view type;
  if (answer.contentType == kJson) type = kJson;
  if (answer.contentType == kProblem) type = kProblem;
  return http::Response{
      .status = answer.status, .contentType = type, .headers = {}, .body = std::move(answer.body)};
}

}  // namespace

Result<std::optional<http::Response>> KeyedRequests::begin(http::Call& call,
                                                           std::string_view fingerprint) {
  const auto key = call.head().header(http::kIdempotencyKey);
  if (call.head().count(http::kIdempotencyKey) > 1 || !idempotency::isKey(key)) {
    return fail(ErrorCode::invalidArgument,
                "Idempotency-Key must be one text of 1 to 255 visible ASCII characters.");
  }
  CORBEL_TRY(auto begun, records_.begin({.tenant = call.tenant(),
                                         .principal = call.principal().id,
                                         .key = key,
                                         .fingerprint = fingerprint},
                                        call.deadline()));
  if (auto* answer = std::get_if<idempotency::Answer>(&begun))
    return replay(call, std::move(*answer));
  call.context().repetitionId = std::move(std::get<idempotency::First>(begun).id);
  return std::nullopt;
}

void KeyedRequests::keep(const http::Call& call, const http::Response& response,
                         std::move_only_function<void()> send) {
  const std::string& id = call.context().repetitionId;
  if (!isKept(response.status)) return records_.forget(id, std::move(send));
  // What is not kept stays under way for ever, and is not carried out again.
  auto answer = answerOf(call, response);
  if (!answer) return send();
  records_.finish(id, *std::move(answer), std::move(send));
}

}  // namespace corbel::gates

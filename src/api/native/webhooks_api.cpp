#include "native/webhooks_api.h"

#include <utility>

namespace corbel::native {
namespace {

WebhookView view(const events::Endpoint& endpoint) {
  return {.id = endpoint.id,
          .url = endpoint.url,
          .types = endpoint.types,
          .description = endpoint.description,
          .enabled = !endpoint.disabledAt,
          .disabledReason = endpoint.disabledReason,
          .disabledAt = endpoint.disabledAt,
          .createdBy = endpoint.createdBy,
          .createdAt = endpoint.createdAt};
}

DeliveryView view(const events::Attempt& attempt) {
  return {.id = attempt.id,
          .eventId = attempt.eventId,
          .type = attempt.type,
          .result = attempt.verdict,
          .status = attempt.status == 0 ? std::nullopt : std::optional(attempt.status),
          .reason = attempt.reason.empty() ? std::nullopt : std::optional(attempt.reason),
          .tookMs = attempt.took.count(),
          .at = attempt.at};
}

DeadLetterView view(const events::DeadLetter& letter) {
  return {.eventId = letter.event.id,
          .type = letter.event.type,
          .subject = letter.event.subject,
          .time = letter.event.time,
          .reason = letter.reason,
          .attempts = letter.attempts,
          .at = letter.at};
}

const std::string& idOf(const events::Attempt& attempt) { return attempt.id; }
const std::string& idOf(const events::DeadLetter& letter) { return letter.event.id; }

// `found` has one more than fits where there is another page.
template <class View, class Found>
Page<View> pageOf(std::vector<Found> found, int limit) {
  Page<View> page;
  if (found.size() > static_cast<std::size_t>(limit)) {
    found.resize(static_cast<std::size_t>(limit));
    page.nextCursor = idOf(found.back());
  }
  for (const Found& one : found) page.items.push_back(view(one));
  return page;
}

}  // namespace

Result<EventTypeList> WebhooksApi::types(http::Call&) {
  EventTypeList list;
  for (const events::EventType& type : events::kEventTypes)
    list.items.push_back({std::string(type.name), std::string(type.when), std::string(type.data)});
  return list;
}

Result<WebhookList> WebhooksApi::list(http::Call& call) {
  CORBEL_TRY(const auto found, webhooks_.list(call.tenant(), call.deadline()));
  WebhookList list;
  for (const events::Endpoint& endpoint : found) list.items.push_back(view(endpoint));
  return list;
}

Result<http::Created<MintedWebhookView>> WebhooksApi::create(http::Call& call,
                                                             const NewWebhookRequest& request) {
  CORBEL_TRY(const auto minted,
             webhooks_.create(call.tenant(), {request.url, request.types, request.description},
                              call.principal().id, call.deadline()));
  // The secret must not be kept by anybody on the way.
  call.addHeader("Cache-Control", "no-store");
  return http::Created<MintedWebhookView>{
      "/api/v1/ai/webhooks/" + minted.endpoint.id,
      {view(minted.endpoint), std::string(minted.secret.reveal())}};
}

Result<WebhookView> WebhooksApi::read(http::Call& call) {
  CORBEL_TRY(const auto found,
             webhooks_.get(call.tenant(), call.parameter("webhook"), call.deadline()));
  return view(found);
}

Result<http::NoContent> WebhooksApi::remove(http::Call& call) {
  CORBEL_CHECK(webhooks_.remove(call.tenant(), call.parameter("webhook"), call.deadline()));
  return http::NoContent{};
}

Result<TestDelivery> WebhooksApi::test(http::Call& call) {
  CORBEL_TRY(auto id, webhooks_.test(call.tenant(), call.parameter("webhook"), call.deadline()));
  return TestDelivery{std::move(id)};
}

Result<WebhookView> WebhooksApi::enable(http::Call& call) {
  CORBEL_TRY(const auto enabled,
             webhooks_.enable(call.tenant(), call.parameter("webhook"), call.deadline()));
  return view(enabled);
}

Result<Page<DeliveryView>> WebhooksApi::deliveries(http::Call& call,
                                                   const ListDeliveries& request) {
  CORBEL_TRY(auto found,
             webhooks_.attempts(call.tenant(), call.parameter("webhook"),
                                request.cursor.value_or(""), request.limit + 1, call.deadline()));
  return pageOf<DeliveryView>(std::move(found), request.limit);
}

Result<Page<DeadLetterView>> WebhooksApi::deadLetters(http::Call& call,
                                                      const ListDeliveries& request) {
  CORBEL_TRY(auto found, webhooks_.deadLetters(call.tenant(), call.parameter("webhook"),
                                               request.cursor.value_or(""), request.limit + 1,
                                               call.deadline()));
  return pageOf<DeadLetterView>(std::move(found), request.limit);
}

Result<http::NoContent> WebhooksApi::redeliver(http::Call& call) {
  CORBEL_CHECK(webhooks_.redeliver(call.tenant(), call.parameter("webhook"),
                                   call.parameter("event"), call.deadline()));
  return http::NoContent{};
}

}  // namespace corbel::native

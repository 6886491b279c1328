// Webhooks of the caller's tenant, and the catalogue of events. See docs/events.md.
#pragma once
#include <tuple>

#include "events/webhooks.h"
#include "http/route.h"
#include "native/page.h"
#include "native/webhooks_dto.h"

namespace corbel::native {

class WebhooksApi {
 public:
  explicit WebhooksApi(events::Webhooks& webhooks) : webhooks_(webhooks) {}

  static constexpr auto routes() {
    using http::Permission;
    return std::tuple{
        http::get<&WebhooksApi::types>("/api/v1/ai/event-types", Permission::eventsRead,
                                       "List types of events"),
        http::get<&WebhooksApi::list>("/api/v1/ai/webhooks", Permission::eventsRead,
                                      "List webhooks"),
        http::post<&WebhooksApi::create>("/api/v1/ai/webhooks", Permission::eventsWrite,
                                         "Make a webhook"),
        http::get<&WebhooksApi::read>("/api/v1/ai/webhooks/{webhook}", Permission::eventsRead,
                                      "Read a webhook"),
        http::del<&WebhooksApi::remove>("/api/v1/ai/webhooks/{webhook}", Permission::eventsWrite,
                                        "Remove a webhook and what waits for it"),
        http::post<&WebhooksApi::test>("/api/v1/ai/webhooks/{webhook}/test",
                                       Permission::eventsWrite, "Send a test event"),
        http::post<&WebhooksApi::enable>("/api/v1/ai/webhooks/{webhook}/enable",
                                         Permission::eventsWrite, "Use a disabled webhook again"),
        http::get<&WebhooksApi::deliveries>("/api/v1/ai/webhooks/{webhook}/deliveries",
                                            Permission::eventsRead, "List recent deliveries",
                                            {.description = "The last 100 attempts."}),
        http::get<&WebhooksApi::deadLetters>("/api/v1/ai/webhooks/{webhook}/dead-letters",
                                             Permission::eventsRead,
                                             "List events that were given up"),
        http::post<&WebhooksApi::redeliver>(
            "/api/v1/ai/webhooks/{webhook}/dead-letters/{event}/redeliver", Permission::eventsWrite,
            "Deliver an event again that was given up")};
  }

 private:
  Result<EventTypeList> types(http::Call& call);
  Result<WebhookList> list(http::Call& call);
  Result<http::Created<MintedWebhookView>> create(http::Call& call,
                                                  const NewWebhookRequest& request);
  Result<WebhookView> read(http::Call& call);
  Result<http::NoContent> remove(http::Call& call);
  Result<TestDelivery> test(http::Call& call);
  Result<WebhookView> enable(http::Call& call);
  Result<Page<DeliveryView>> deliveries(http::Call& call, const ListDeliveries& request);
  Result<Page<DeadLetterView>> deadLetters(http::Call& call, const ListDeliveries& request);
  Result<http::NoContent> redeliver(http::Call& call);

  events::Webhooks& webhooks_;
};

}  // namespace corbel::native

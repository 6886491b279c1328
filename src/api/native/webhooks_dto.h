// What the native API shows and takes of webhooks and events.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "json/describe.h"
#include "json/values.h"

namespace corbel::native {

struct WebhookView {
  std::string id;
  std::string url;
  std::vector<std::string> types;
  std::string description;
  bool enabled = true;
  std::optional<std::string> disabledReason;
  std::optional<Timestamp> disabledAt;
  std::string createdBy;
  Timestamp createdAt;
  static constexpr auto rules() {
    return std::array{
        json::rule<&WebhookView::types>({.doc = "Types of events that it gets; empty: all."}),
        json::rule<&WebhookView::enabled>(
            {.doc = "False after an answer of 410, or when too many events waited."})};
  }
};
BOOST_DESCRIBE_STRUCT(WebhookView, (),
                      (id, url, types, description, enabled, disabledReason, disabledAt, createdBy,
                       createdAt))

struct MintedWebhookView : WebhookView {
  std::string secret;
  static constexpr auto rules() {
    return std::array{json::rule<&MintedWebhookView::secret>(
        {.doc = "Key of the signatures. It is shown this once."})};
  }
};
BOOST_DESCRIBE_STRUCT(MintedWebhookView, (WebhookView), (secret))

struct WebhookList {
  std::vector<WebhookView> items;
};
BOOST_DESCRIBE_STRUCT(WebhookList, (), (items))

struct NewWebhookRequest {
  std::string url;
  std::vector<std::string> types;
  std::string description;
  static constexpr auto rules() {
    using Self = NewWebhookRequest;
    return std::array{
        json::rule<&Self::url>({.doc = "https, port 443 or 8443, a public address; others where "
                                       "the setting events.webhookHosts names the host.",
                                .example = R"("https://hooks.example.com/corbel")",
                                .minLength = 1,
                                .maxLength = 2048}),
        json::rule<&Self::types>({.doc = "Types of events; absent or empty: all.",
                                  .example = R"(["corbel.model.alias.moved"])",
                                  .maxItems = 32,
                                  .optional = true}),
        json::rule<&Self::description>({.doc = "For people.", .maxLength = 256, .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(NewWebhookRequest, (), (url, types, description))

struct TestDelivery {
  std::string eventId;
};
BOOST_DESCRIBE_STRUCT(TestDelivery, (), (eventId))

struct ListDeliveries {
  int limit = 50;
  std::optional<std::string> cursor;
  static constexpr auto rules() {
    using Self = ListDeliveries;
    return std::array{json::rule<&Self::limit>(
                          {.doc = "Entries on a page.", .min = 1, .max = 200, .optional = true}),
                      json::rule<&Self::cursor>({.doc = "`nextCursor` of the page before.",
                                                 .format = json::Format::uuid})};
  }
};
BOOST_DESCRIBE_STRUCT(ListDeliveries, (), (limit, cursor))

struct DeliveryView {
  std::string id;
  std::string eventId;
  std::string type;
  std::string result;
  std::optional<int> status;
  std::optional<std::string> reason;
  std::int64_t tookMs = 0;
  Timestamp at;
  static constexpr auto rules() {
    using Self = DeliveryView;
    return std::array{
        json::rule<&Self::result>({.doc = "delivered, failed (tried again) or refused."}),
        json::rule<&Self::status>({.doc = "Of the receiver's answer."})};
  }
};
BOOST_DESCRIBE_STRUCT(DeliveryView, (), (id, eventId, type, result, status, reason, tookMs, at))

struct DeadLetterView {
  std::string eventId;
  std::string type;
  std::string subject;
  Timestamp time;
  std::string reason;
  int attempts = 0;
  Timestamp at;
};
BOOST_DESCRIBE_STRUCT(DeadLetterView, (), (eventId, type, subject, time, reason, attempts, at))

struct EventTypeView {
  std::string type;
  std::string when;
  std::string data;
  static constexpr auto rules() {
    return std::array{json::rule<&EventTypeView::data>({.doc = "Members of the event's data."})};
  }
};
BOOST_DESCRIBE_STRUCT(EventTypeView, (), (type, when, data))

struct EventTypeList {
  std::vector<EventTypeView> items;
};
BOOST_DESCRIBE_STRUCT(EventTypeList, (), (items))

}  // namespace corbel::native

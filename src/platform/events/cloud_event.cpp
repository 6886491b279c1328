#include <type_traits>

#include "base/json_text.h"
#include "base/timestamp.h"
#include "events/events.h"

namespace corbel::events {
namespace {

void appendName(std::string& json, std::string_view name) {
  if (json.size() > 1) json += ", ";
  appendJsonString(json, name);
  json += ": ";
}

void appendAttribute(std::string& json, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  appendName(json, name);
  appendJsonString(json, value);
}

}  // namespace

std::string toCloudEvent(const Event& event) {
  std::string json = "{";
  appendAttribute(json, "specversion", "1.0");
  appendAttribute(json, "id", event.id);
  appendAttribute(json, "source", event.source);
  appendAttribute(json, "type", event.type);
  appendAttribute(json, "subject", event.subject);
  appendAttribute(json, "time", toRfc3339(event.time));
  appendAttribute(json, "tenant", event.tenant);
  appendAttribute(json, "partitionkey", event.partitionKey);
  appendAttribute(json, "datacontenttype", "application/json");
  appendName(json, "data");
  return json + event.data + "}";
}

std::string toData(std::span<const DataMember> members) {
  std::string json = "{";
  for (const auto& [name, value] : members) {
    appendName(json, name);
    if (const auto* text = std::get_if<std::string_view>(&value)) {
      appendJsonString(json, *text);
    } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
      json += std::to_string(*number);
    } else {
      json += "null";
    }
  }
  return json + "}";
}

}  // namespace corbel::events

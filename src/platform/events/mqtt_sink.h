// Events to an MQTT 5 broker.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "events/events.h"

namespace corbel::events {

struct MqttOptions {
  std::string host;
  std::uint16_t port = 1883;
  std::string topic;  // first part of the topics
  std::string username = {};
  Secret password = {};
  bool tls = false;
  std::string caFile = {};  // PEM; empty: the system's authorities
};

// Publishes to `<topic>/<tenant>/<type>` with QoS 1 in CloudEvents' JSON format; the broker's
// PUBACK is the acknowledgement, also where nobody has subscribed. A refusal by the broker's access
// rules is a failure like any other, so that nothing is lost while they are put right. Connects
// with the first event and again after a failure; no thread of the library runs. `clock` must
// outlive it.
std::unique_ptr<EventSink> makeMqttSink(MqttOptions options, const Clock& clock);

}  // namespace corbel::events

// Events to RabbitMQ, or another broker of AMQP 0-9-1 with publisher confirms.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "events/events.h"

namespace corbel::events {

struct RabbitmqOptions {
  std::string host;
  std::uint16_t port = 5672;
  std::string virtualHost = "/";
  std::string exchange;
  std::string queue = {};  // empty: somebody else decides which queues take what
  std::string username;
  Secret password = {};
  bool tls = false;
  std::string caFile = {};  // PEM; empty: the system's authorities
};

// Publishes persistent messages in CloudEvents' JSON format to a durable topic exchange with the
// routing key `<tenant>.<type>`; the message id is the event's. Declares the exchange, and the
// queue bound to everything; where that is not allowed, both have to be there. Delivered means that
// the broker has confirmed it and, where a queue is named, that a queue took it. Connects with the
// first event and again after a failure; `clock` must outlive it.
std::unique_ptr<EventSink> makeRabbitmqSink(RabbitmqOptions options, const Clock& clock);

}  // namespace corbel::events

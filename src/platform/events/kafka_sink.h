// Events to Kafka.
#pragma once
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "events/events.h"

namespace corbel::events {

struct KafkaOptions {
  std::string brokers;  // host:port, several with commas
  std::string topic;
  std::string username = {};  // empty: no SASL
  Secret password = {};
  std::string mechanism = "PLAIN";
  bool tls = false;
  std::string caFile = {};  // PEM; empty: the system's authorities
};

// Produces to the topic in CloudEvents' JSON format with the partition key as the record's key, the
// partition chosen as Java clients do. Idempotent producer, acks=all: the acknowledgement of all
// replicas in sync counts. The library's threads live as long as the sink and call nothing of ours.
// `clock` must outlive it.
std::unique_ptr<EventSink> makeKafkaSink(KafkaOptions options, const Clock& clock);

}  // namespace corbel::events

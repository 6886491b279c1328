#include "app/event_sinks.h"

#include <array>

#include "base/text.h"
#include "events/kafka_sink.h"
#include "events/mqtt_sink.h"
#include "events/nats_sink.h"
#include "events/rabbitmq_sink.h"

namespace corbel::app {
namespace {

using Sink = std::unique_ptr<events::EventSink>;

// A new sink is a file in platform/events and a line here.
struct SinkLine {
  std::string_view name;
  bool (*wanted)(const config::Settings&);
  Sink (*make)(const config::Settings&, const Clock&);
};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) parts.emplace_back(takeUntil(text, ','));
  return parts;
}

Sink makeNats(const config::Settings& settings, const Clock& clock) {
  const config::NatsSettings& nats = settings.nats;
  return events::makeNatsSink(
      {split(nats.url), nats.subject, nats.username, nats.password, nats.caFile}, clock);
}

Sink makeMqtt(const config::Settings& settings, const Clock& clock) {
  const config::MqttSettings& mqtt = settings.mqtt;
  return events::makeMqttSink(
      {mqtt.host, mqtt.port, mqtt.topic, mqtt.username, mqtt.password, mqtt.tls, mqtt.caFile},
      clock);
}

Sink makeKafka(const config::Settings& settings, const Clock& clock) {
  const config::KafkaSettings& kafka = settings.kafka;
  return events::makeKafkaSink({kafka.brokers, kafka.topic, kafka.username, kafka.password,
                                kafka.mechanism, kafka.tls, kafka.caFile},
                               clock);
}

Sink makeRabbitmq(const config::Settings& settings, const Clock& clock) {
  const config::RabbitmqSettings& rabbitmq = settings.rabbitmq;
  return events::makeRabbitmqSink(
      {rabbitmq.host, rabbitmq.port, rabbitmq.virtualHost, rabbitmq.exchange, rabbitmq.queue,
       rabbitmq.username, rabbitmq.password, rabbitmq.tls, rabbitmq.caFile},
      clock);
}

constexpr std::array kSinks = {
    SinkLine{"kafka", [](const config::Settings& s) { return !s.kafka.brokers.empty(); },
             makeKafka},
    SinkLine{"nats", [](const config::Settings& s) { return !s.nats.url.empty(); }, makeNats},
    SinkLine{"mqtt", [](const config::Settings& s) { return !s.mqtt.host.empty(); }, makeMqtt},
    SinkLine{"rabbitmq", [](const config::Settings& s) { return !s.rabbitmq.host.empty(); },
             makeRabbitmq}};

}  // namespace

std::vector<std::string> eventSinkNames(const config::Settings& settings) {
  std::vector<std::string> names;
  for (const SinkLine& sink : kSinks) {
    if (sink.wanted(settings)) names.emplace_back(sink.name);
  }
  return names;
}

std::vector<Sink> makeEventSinks(const config::Settings& settings, const Clock& clock) {
  std::vector<Sink> sinks;
  for (const SinkLine& sink : kSinks) {
    if (sink.wanted(settings)) sinks.push_back(sink.make(settings, clock));
  }
  return sinks;
}

events::Bounds outboxBounds(const config::EventSettings& settings) {
  return {settings.outboxRows, static_cast<std::int64_t>(settings.outboxBytes.count)};
}

net::DestinationPolicy webhookPolicy(const config::EventSettings& settings) {
  net::DestinationPolicy policy;
  for (const std::string& host : settings.webhookHosts) {
    if (auto allowed = net::parseAllowedHost(host)) policy.allowed.push_back(*std::move(allowed));
  }
  return policy;
}

}  // namespace corbel::app

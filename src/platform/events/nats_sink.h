// Events to NATS JetStream.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "events/events.h"

namespace corbel::events {

struct NatsOptions {
  std::vector<std::string> urls;  // nats:// or tls://, tried in order
  std::string subject;            // first part of the subjects
  std::string username = {};
  Secret password = {};  // without a user name: a token
  std::string caFile = {};
};

// Publishes to `<subject>.<tenant>.<type>` in CloudEvents' JSON format and waits for JetStream's
// acknowledgement of each event. The header Nats-Msg-Id is the event's id, so that the stream drops
// repetitions within its window. Where no stream is named corbel-events, one is made for
// `<subject>.>`; where that is not allowed, another stream has to store these subjects, or the
// events wait. Connects with the first event and again after a failure; `clock` must outlive it.
std::unique_ptr<EventSink> makeNatsSink(NatsOptions options, const Clock& clock);

}  // namespace corbel::events

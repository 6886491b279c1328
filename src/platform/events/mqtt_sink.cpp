#include "events/mqtt_sink.h"

#include <fmt/format.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace corbel::events {
namespace {

constexpr std::chrono::milliseconds kConnect{2'000};
constexpr int kStepMs = 50;  // of one wait for the socket
// Nobody reads between two waves, so no pings can be promised; a dead connection shows when the
// next wave is not acknowledged.
constexpr int kNoKeepAlive = 0;
constexpr int kFirstFailure = 0x80;  // MQTT 5, 2.4: reason codes from here on are errors
constexpr const char* kSystemAuthorities = "/etc/ssl/certs";

// Reference count of the library's own state.
class Library {
 public:
  Library() { mosquitto_lib_init(); }
  ~Library() { mosquitto_lib_cleanup(); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
};

struct Destroy {
  void operator()(mosquitto* client) const { mosquitto_destroy(client); }
};
using Client = std::unique_ptr<mosquitto, Destroy>;

class MqttSink final : public EventSink {
 public:
  MqttSink(MqttOptions options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}

  std::string_view name() const override { return "mqtt"; }

  std::vector<Outcome> publish(std::string_view, std::span<const Event> events,
                               Deadline deadline) override {
    if (const auto connected = connect(deadline); !connected) {
      client_.reset();
      return {{Verdict::failed, connected.error().message}};
    }
    acknowledged_.clear();
    std::vector<std::optional<int>> messages;
    messages.reserve(events.size());
    for (const Event& event : events) messages.push_back(send(event));
    const int lost = awaitAll(messages, deadline);
    std::vector<Outcome> outcomes;
    outcomes.reserve(events.size());
    for (const auto& message : messages) outcomes.push_back(outcomeOf(message, lost));
    const bool allWell = std::ranges::all_of(
        outcomes, [](const Outcome& one) { return one.verdict != Verdict::failed; });
    if (!allWell) client_.reset();
    return outcomes;
  }

 private:
  static std::unexpected<Error> failure(std::string_view reason) {
    return fail(ErrorCode::unavailable, fmt::format("MQTT: {}", reason));
  }

  static void onConnect(mosquitto*, void* self, int reason, int, const mosquitto_property*) {
    static_cast<MqttSink*>(self)->connectReason_ = reason;
  }
  static void onPublish(mosquitto*, void* self, int message, int reason,
                        const mosquitto_property*) {
    static_cast<MqttSink*>(self)->acknowledged_[message] = reason;
  }

  Result<Client> makeClient() {
    Client client(mosquitto_new(nullptr, true, this));
    if (client == nullptr) return failure("no memory");
    const std::string password(options_.password.reveal());
    int result = mosquitto_int_option(client.get(), MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    if (result == MOSQ_ERR_SUCCESS && !options_.username.empty()) {
      result = mosquitto_username_pw_set(client.get(), options_.username.c_str(),
                                         password.empty() ? nullptr : password.c_str());
    }
    if (result == MOSQ_ERR_SUCCESS && options_.tls) {
      const bool own = !options_.caFile.empty();
      result = mosquitto_tls_set(client.get(), own ? options_.caFile.c_str() : nullptr,
                                 own ? nullptr : kSystemAuthorities, nullptr, nullptr, nullptr);
    }
    if (result != MOSQ_ERR_SUCCESS) return failure(mosquitto_strerror(result));
    mosquitto_connect_v5_callback_set(client.get(), &onConnect);
    mosquitto_publish_v5_callback_set(client.get(), &onPublish);
    return client;
  }

  Result<void> connect(Deadline deadline) {
    // A connection that the broker has closed meanwhile shows here.
    if (client_ != nullptr && mosquitto_loop(client_.get(), 0, 1) == MOSQ_ERR_SUCCESS) return {};
    client_.reset();
    CORBEL_TRY(client_, makeClient());
    connectReason_.reset();
    int result =
        mosquitto_connect_async(client_.get(), options_.host.c_str(), options_.port, kNoKeepAlive);
    const Deadline until = Deadline::after(clock_, kConnect).earlier(deadline);
    while (result == MOSQ_ERR_SUCCESS && !connectReason_) {
      if (until.expired(clock_)) return failure("the broker did not answer in time");
      result = mosquitto_loop(client_.get(), kStepMs, 1);
    }
    if (connectReason_ && *connectReason_ >= kFirstFailure)
      return failure(mosquitto_reason_string(*connectReason_));
    if (!connectReason_) return failure(mosquitto_strerror(result));
    return {};
  }

  // The number of the message; nothing: it was not taken.
  std::optional<int> send(const Event& event) {
    const std::string body = toCloudEvent(event);
    const std::string topic = fmt::format("{}/{}/{}", options_.topic, event.tenant, event.type);
    mosquitto_property* properties = nullptr;
    mosquitto_property_add_string(&properties, MQTT_PROP_CONTENT_TYPE,
                                  std::string(kCloudEventType).c_str());
    int message = 0;
    const int result =
        mosquitto_publish_v5(client_.get(), &message, topic.c_str(), static_cast<int>(body.size()),
                             body.data(), 1, false, properties);
    mosquitto_property_free_all(&properties);
    if (result == MOSQ_ERR_OVERSIZE_PACKET) acknowledged_[message] = MQTT_RC_PACKET_TOO_LARGE;
    if (result != MOSQ_ERR_SUCCESS && result != MOSQ_ERR_OVERSIZE_PACKET) return std::nullopt;
    return message;
  }

  // What ended the wait before every message was acknowledged.
  int awaitAll(const std::vector<std::optional<int>>& messages, Deadline deadline) {
    const auto isOpen = [&](const std::optional<int>& message) {
      return message && !acknowledged_.contains(*message);
    };
    int result = MOSQ_ERR_SUCCESS;
    while (result == MOSQ_ERR_SUCCESS && std::ranges::any_of(messages, isOpen)) {
      if (deadline.expired(clock_)) return MOSQ_ERR_KEEPALIVE;
      result = mosquitto_loop(client_.get(), kStepMs, 1);
    }
    return result;
  }

  Outcome outcomeOf(const std::optional<int>& message, int lost) const {
    const auto found = message ? acknowledged_.find(*message) : acknowledged_.end();
    if (found == acknowledged_.end()) {
      return {Verdict::failed, lost == MOSQ_ERR_KEEPALIVE
                                   ? "MQTT: the broker did not acknowledge in time"
                                   : fmt::format("MQTT: {}", mosquitto_strerror(lost))};
    }
    if (found->second < kFirstFailure) return {Verdict::delivered};
    const bool never = found->second == MQTT_RC_PACKET_TOO_LARGE;
    return {never ? Verdict::refused : Verdict::failed,
            fmt::format("MQTT: {}", mosquitto_reason_string(found->second))};
  }

  const Library library_;
  const MqttOptions options_;
  const Clock& clock_;
  std::optional<int> connectReason_;
  std::map<int, int> acknowledged_;  // number of the message to reason code
  Client client_;
};

}  // namespace

std::unique_ptr<EventSink> makeMqttSink(MqttOptions options, const Clock& clock) {
  return std::make_unique<MqttSink>(std::move(options), clock);
}

}  // namespace corbel::events

#include "events/kafka_sink.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace corbel::events {
namespace {

constexpr int kStepMs = 50;  // of one wait for reports
// Below the time of a wave, so that a report comes for every record.
constexpr const char* kRecordMs = "4000";

struct Destroy {
  void operator()(rd_kafka_t* producer) const {
    rd_kafka_purge(producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy(producer);
  }
};
using Producer = std::unique_ptr<rd_kafka_t, Destroy>;

class KafkaSink final : public EventSink {
 public:
  KafkaSink(KafkaOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  std::string_view name() const override { return "kafka"; }

  std::vector<Outcome> publish(std::string_view, std::span<const Event> events,
                               Deadline deadline) override {
    if (const auto made = ensureProducer(); !made) return {{Verdict::failed, made.error().message}};
    std::vector<std::optional<rd_kafka_resp_err_t>> reports(events.size());
    for (std::size_t i = 0; i < events.size(); ++i) reports[i] = produce(events[i], reports[i]);
    const auto isOpen = [](const auto& report) { return !report; };
    while (std::ranges::any_of(reports, isOpen) && !deadline.expired(clock_))
      rd_kafka_poll(producer_.get(), kStepMs);
    std::vector<Outcome> outcomes;
    outcomes.reserve(events.size());
    for (const auto& report : reports) outcomes.push_back(outcomeOf(report));
    // A producer with records in doubt, or one that says it cannot go on, ends here: its reports
    // would find nobody.
    std::array<char, 1> ignored{};
    const bool fatal = rd_kafka_fatal_error(producer_.get(), ignored.data(), ignored.size()) != 0;
    if (fatal || std::ranges::any_of(reports, isOpen)) producer_.reset();
    return outcomes;
  }

 private:
  using Report = std::optional<rd_kafka_resp_err_t>;

  // Runs within rd_kafka_poll(), on the thread that publishes.
  static void onReport(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    if (auto* report = static_cast<Report*>(message->_private)) *report = message->err;
  }

  Result<void> ensureProducer() {
    if (producer_ != nullptr) return {};
    rd_kafka_conf_t* settings = rd_kafka_conf_new();
    std::array<char, 256> reason{};
    const auto set = [&](const char* setting, const std::string& value) {
      return rd_kafka_conf_set(settings, setting, value.c_str(), reason.data(), reason.size()) ==
             RD_KAFKA_CONF_OK;
    };
    const bool sasl = !options_.username.empty();
    const std::string protocol =
        fmt::format("{}{}", sasl ? "sasl_" : "", options_.tls ? "ssl" : "plaintext");
    bool good = set("bootstrap.servers", options_.brokers) && set("client.id", "corbel") &&
                set("enable.idempotence", "true") && set("acks", "all") && set("linger.ms", "1") &&
                set("message.timeout.ms", kRecordMs) && set("partitioner", "murmur2_random") &&
                set("reconnect.backoff.max.ms", "1000") && set("socket.timeout.ms", "3000") &&
                set("security.protocol", protocol);
    if (options_.tls && !options_.caFile.empty())
      good = good && set("ssl.ca.location", options_.caFile);
    if (sasl) {
      good = good && set("sasl.mechanisms", options_.mechanism) &&
             set("sasl.username", options_.username) &&
             set("sasl.password", std::string(options_.password.reveal()));
    }
    rd_kafka_conf_set_log_cb(settings, nullptr);
    rd_kafka_conf_set_dr_msg_cb(settings, &onReport);
    if (good)
      producer_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, settings, reason.data(), reason.size()));
    if (producer_ != nullptr) return {};
    rd_kafka_conf_destroy(settings);
    return fail(ErrorCode::unavailable, fmt::format("Kafka: {}", reason.data()));
  }

  // Nothing: a report will come to `place`.
  Report produce(const Event& event, Report& place) {
    const std::string body = toCloudEvent(event);
    std::array<rd_kafka_vu_t, 6> parts{};
    parts[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    parts[0].u.cstr = options_.topic.c_str();
    parts[1].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    parts[1].u.i = RD_KAFKA_MSG_F_COPY;
    parts[2].vtype = RD_KAFKA_VTYPE_KEY;
    parts[2].u.mem = {const_cast<char*>(event.partitionKey.data()), event.partitionKey.size()};
    parts[3].vtype = RD_KAFKA_VTYPE_VALUE;
    parts[3].u.mem = {const_cast<char*>(body.data()), body.size()};
    parts[4].vtype = RD_KAFKA_VTYPE_HEADER;
    parts[4].u.header = {"content-type", kCloudEventType.data(),
                         static_cast<ssize_t>(kCloudEventType.size())};
    parts[5].vtype = RD_KAFKA_VTYPE_OPAQUE;
    parts[5].u.ptr = &place;
    rd_kafka_error_t* const error = rd_kafka_produceva(producer_.get(), parts.data(), parts.size());
    if (error == nullptr) return std::nullopt;
    const rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
  }

  static Outcome outcomeOf(const Report& report) {
    if (!report) return {Verdict::failed, "Kafka: no acknowledgement in time"};
    if (*report == RD_KAFKA_RESP_ERR_NO_ERROR) return {Verdict::delivered};
    const bool never = *report == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
                       *report == RD_KAFKA_RESP_ERR_INVALID_RECORD;
    return {never ? Verdict::refused : Verdict::failed,
            fmt::format("Kafka: {}", rd_kafka_err2str(*report))};
  }

  const KafkaOptions options_;
  const Clock& clock_;
  Producer producer_;
};

}  // namespace

std::unique_ptr<EventSink> makeKafkaSink(KafkaOptions options, const Clock& clock) {
  return std::make_unique<KafkaSink>(std::move(options), clock);
}

}  // namespace corbel::events

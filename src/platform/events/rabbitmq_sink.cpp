#include "events/rabbitmq_sink.h"

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

namespace corbel::events {
namespace {

constexpr std::chrono::milliseconds kConnect{2'000};
// A broker that reads no more, as RabbitMQ does when it is short of memory or disk, must not hold
// the thread in a write (tcp(7), TCP_USER_TIMEOUT).
constexpr int kUnreadMs = 4'000;
constexpr amqp_channel_t kChannel = 1;
// Nobody reads between two waves, so no heartbeats can be promised.
constexpr int kNoHeartbeat = 0;
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

struct Destroy {
  void operator()(amqp_connection_state_t connection) const { amqp_destroy_connection(connection); }
};
using Connection = std::unique_ptr<amqp_connection_state_t_, Destroy>;

timeval timevalOf(std::chrono::milliseconds time) {
  return {.tv_sec = time.count() / 1000, .tv_usec = time.count() % 1000 * 1000};
}

amqp_bytes_t bytesOf(std::string_view text) {
  return {.len = text.size(), .bytes = const_cast<char*>(text.data())};
}

std::string_view textOf(amqp_bytes_t bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}

// What the broker says when it closes the channel or the connection; empty: it closes neither.
std::string closingText(const amqp_method_t& method) {
  if (method.id == AMQP_CHANNEL_CLOSE_METHOD)
    return std::string(textOf(static_cast<amqp_channel_close_t*>(method.decoded)->reply_text));
  if (method.id == AMQP_CONNECTION_CLOSE_METHOD)
    return std::string(textOf(static_cast<amqp_connection_close_t*>(method.decoded)->reply_text));
  return {};
}

std::unexpected<Error> failure(std::string_view reason) {
  return fail(ErrorCode::unavailable, fmt::format("RabbitMQ: {}", reason));
}

Result<void> checkStatus(int status) {
  if (status == AMQP_STATUS_OK) return {};
  return failure(amqp_error_string2(status));
}

Result<void> check(const amqp_rpc_reply_t& reply) {
  switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL:
      return {};
    case AMQP_RESPONSE_SERVER_EXCEPTION:
      return failure(closingText(reply.reply));
    case AMQP_RESPONSE_LIBRARY_EXCEPTION:
      return failure(amqp_error_string2(reply.library_error));
    case AMQP_RESPONSE_NONE:
      break;
  }
  return failure("the broker closed the connection");
}

// What became of the messages of one wave.
class Confirms {
 public:
  Confirms(std::span<const Event> events, std::uint64_t firstTag)
      : events_(events), firstTag_(firstTag), outcomes_(events.size()) {}

  std::size_t open() const { return open_; }
  void sent() { ++open_; }
  void take(const amqp_frame_t& frame) {
    if (frame.frame_type == AMQP_FRAME_HEADER) {
      returned(textOf(
          static_cast<amqp_basic_properties_t*>(frame.payload.properties.decoded)->message_id));
    }
    if (frame.frame_type != AMQP_FRAME_METHOD) return;
    const amqp_method_t& method = frame.payload.method;
    if (method.id == AMQP_BASIC_ACK_METHOD) {
      const auto* ack = static_cast<amqp_basic_ack_t*>(method.decoded);
      settle(ack->delivery_tag, ack->multiple != 0, {Verdict::delivered});
    } else if (method.id == AMQP_BASIC_NACK_METHOD) {
      const auto* nack = static_cast<amqp_basic_nack_t*>(method.decoded);
      settle(nack->delivery_tag, nack->multiple != 0,
             {Verdict::failed, "RabbitMQ: the broker did not take the message"});
    }
  }
  // Those without an answer failed for this reason.
  std::vector<Outcome> finish(const std::string& reason) && {
    std::vector<Outcome> all;
    all.reserve(outcomes_.size());
    for (auto& outcome : outcomes_)
      all.push_back(std::move(outcome).value_or(Outcome{Verdict::failed, reason}));
    return all;
  }

 private:
  void settle(std::uint64_t tag, bool andAllBefore, const Outcome& outcome) {
    if (tag < firstTag_) return;
    const std::size_t last = std::min<std::size_t>(tag - firstTag_, outcomes_.size() - 1);
    for (std::size_t i = andAllBefore ? 0 : last; i <= last; ++i) {
      if (answered_.size() <= i) answered_.resize(outcomes_.size());
      if (answered_[i]) continue;
      answered_[i] = true;
      --open_;
      if (!outcomes_[i]) outcomes_[i] = outcome;
    }
  }
  // A message that no queue takes is returned first and confirmed afterwards.
  void returned(std::string_view messageId) {
    const auto found = std::ranges::find(events_, messageId, &Event::id);
    if (found == events_.end()) return;
    outcomes_[static_cast<std::size_t>(found - events_.begin())] =
        Outcome{Verdict::failed, "RabbitMQ: no queue takes the message"};
  }

  const std::span<const Event> events_;
  const std::uint64_t firstTag_;
  std::vector<std::optional<Outcome>> outcomes_;
  std::vector<bool> answered_;
  std::size_t open_ = 0;
};

class RabbitmqSink final : public EventSink {
 public:
  RabbitmqSink(RabbitmqOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  std::string_view name() const override { return "rabbitmq"; }

  std::vector<Outcome> publish(std::string_view, std::span<const Event> events,
                               Deadline deadline) override {
    if (const auto connected = connect(deadline); !connected) {
      connection_.reset();
      return {{Verdict::failed, connected.error().message}};
    }
    Confirms confirms(events, published_ + 1);
    Result<void> going;
    for (const Event& event : events) {
      going = send(event);
      if (!going) break;
      confirms.sent();
    }
    while (going && confirms.open() > 0) going = awaitFrame(confirms, deadline);
    amqp_maybe_release_buffers(connection_.get());
    auto outcomes = std::move(confirms).finish(going ? std::string() : going.error().message);
    // The next attempt begins with a connection that works, and with the queue declared anew.
    if (std::ranges::find(outcomes, Verdict::failed, &Outcome::verdict) != outcomes.end())
      connection_.reset();
    return outcomes;
  }

 private:
  Result<void> connect(Deadline deadline) {
    if (isUsable()) return {};
    connection_.reset(amqp_new_connection());
    published_ = 0;
    const timeval patience =
        timevalOf(std::clamp(deadline.remaining(clock_), std::chrono::milliseconds(1), kConnect));
    CORBEL_TRY(amqp_socket_t* const socket, makeSocket());
    CORBEL_CHECK(checkStatus(
        amqp_socket_open_noblock(socket, options_.host.c_str(), options_.port, &patience)));
    ::setsockopt(amqp_get_sockfd(connection_.get()), IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnreadMs,
                 sizeof(kUnreadMs));
    amqp_set_handshake_timeout(connection_.get(), &patience);
    amqp_set_rpc_timeout(connection_.get(), &patience);
    CORBEL_CHECK(check(amqp_login(connection_.get(), options_.virtualHost.c_str(),
                                  AMQP_DEFAULT_MAX_CHANNELS, AMQP_DEFAULT_FRAME_SIZE, kNoHeartbeat,
                                  AMQP_SASL_METHOD_PLAIN, options_.username.c_str(),
                                  std::string(options_.password.reveal()).c_str())));
    CORBEL_CHECK(openChannel());
    // Not allowed, or there with other properties: the broker closes the channel. Whether what is
    // there will do shows when it is published to.
    if (!declare()) {
      // Until it is answered that the channel is closed, the broker hears nothing on it (AMQP
      // 0-9-1, 1.5.2.6).
      amqp_channel_close_ok_t closed{};
      CORBEL_CHECK(checkStatus(
          amqp_send_method(connection_.get(), kChannel, AMQP_CHANNEL_CLOSE_OK_METHOD, &closed)));
      CORBEL_CHECK(openChannel());
    }
    amqp_confirm_select(connection_.get(), kChannel);
    return check(amqp_get_rpc_reply(connection_.get()));
  }

  // A connection that the broker has closed meanwhile shows here.
  bool isUsable() {
    if (connection_ == nullptr) return false;
    const timeval now{};
    amqp_frame_t frame;
    return amqp_simple_wait_frame_noblock(connection_.get(), &frame, &now) == AMQP_STATUS_TIMEOUT;
  }

  Result<amqp_socket_t*> makeSocket() {
    amqp_socket_t* const socket = options_.tls ? amqp_ssl_socket_new(connection_.get())
                                               : amqp_tcp_socket_new(connection_.get());
    if (socket == nullptr) return failure("no memory");
    if (!options_.tls) return socket;
    amqp_ssl_socket_set_verify_peer(socket, 1);
    amqp_ssl_socket_set_verify_hostname(socket, 1);
    CORBEL_CHECK(
        checkStatus(amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST)));
    const char* const authorities =
        options_.caFile.empty() ? kSystemAuthorities : options_.caFile.c_str();
    CORBEL_CHECK(checkStatus(amqp_ssl_socket_set_cacert(socket, authorities)));
    return socket;
  }

  Result<void> openChannel() {
    amqp_channel_open(connection_.get(), kChannel);
    return check(amqp_get_rpc_reply(connection_.get()));
  }

  bool declare() {
    const amqp_bytes_t exchange = bytesOf(options_.exchange);
    const amqp_bytes_t queue = bytesOf(options_.queue);
    const auto isDone = [this] {
      return amqp_get_rpc_reply(connection_.get()).reply_type == AMQP_RESPONSE_NORMAL;
    };
    amqp_exchange_declare(connection_.get(), kChannel, exchange, bytesOf("topic"), 0, 1, 0, 0,
                          amqp_empty_table);
    if (!isDone()) return false;
    if (options_.queue.empty()) return true;
    amqp_queue_declare(connection_.get(), kChannel, queue, 0, 1, 0, 0, amqp_empty_table);
    if (!isDone()) return false;
    amqp_queue_bind(connection_.get(), kChannel, queue, exchange, bytesOf("#"), amqp_empty_table);
    return isDone();
  }

  Result<void> send(const Event& event) {
    const std::string body = toCloudEvent(event);
    const std::string routingKey = fmt::format("{}.{}", event.tenant, event.type);
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                        AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_TYPE_FLAG;
    properties.content_type = bytesOf(kCloudEventType);
    properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
    properties.message_id = bytesOf(event.id);
    properties.type = bytesOf(event.type);
    CORBEL_CHECK(checkStatus(amqp_basic_publish(
        connection_.get(), kChannel, bytesOf(options_.exchange), bytesOf(routingKey),
        options_.queue.empty() ? 0 : 1, 0, &properties, bytesOf(body))));
    ++published_;
    return {};
  }

  Result<void> awaitFrame(Confirms& confirms, Deadline deadline) {
    const timeval left =
        timevalOf(std::min(deadline.remaining(clock_), std::chrono::milliseconds(60'000)));
    amqp_frame_t frame;
    const int status = amqp_simple_wait_frame_noblock(connection_.get(), &frame, &left);
    if (status == AMQP_STATUS_TIMEOUT) return failure("the broker did not confirm in time");
    CORBEL_CHECK(checkStatus(status));
    if (frame.frame_type == AMQP_FRAME_METHOD) {
      if (const std::string closing = closingText(frame.payload.method); !closing.empty())
        return failure(closing);
    }
    confirms.take(frame);
    return {};
  }

  const RabbitmqOptions options_;
  const Clock& clock_;
  Connection connection_;
  std::uint64_t published_ = 0;  // on this channel: the broker counts them as well
};

}  // namespace

std::unique_ptr<EventSink> makeRabbitmqSink(RabbitmqOptions options, const Clock& clock) {
  return std::make_unique<RabbitmqSink>(std::move(options), clock);
}

}  // namespace corbel::events

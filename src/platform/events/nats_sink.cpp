#include "events/nats_sink.h"

#include <fmt/format.h>
#include <nats/nats.h>

#include <algorithm>
#include <utility>

namespace corbel::events {
namespace {

constexpr std::int64_t kConnectMs = 2'000;
constexpr const char* kStream = "corbel-events";

template <class T, void (*destroy)(T*)>
struct Destroy {
  void operator()(T* object) const { destroy(object); }
};
template <class T, void (*destroy)(T*)>
using Owned = std::unique_ptr<T, Destroy<T, destroy>>;
using Options = Owned<natsOptions, natsOptions_Destroy>;
using Connection = Owned<natsConnection, natsConnection_Destroy>;
using JetStream = Owned<jsCtx, jsCtx_Destroy>;
using Message = Owned<natsMsg, natsMsg_Destroy>;
using PubAck = Owned<jsPubAck, jsPubAck_Destroy>;
using StreamInfo = Owned<jsStreamInfo, jsStreamInfo_Destroy>;

// Stays at the first status that is not NATS_OK.
class Steps {
 public:
  void add(natsStatus status) {
    if (status_ == NATS_OK) status_ = status;
  }
  natsStatus status() const { return status_; }

 private:
  natsStatus status_ = NATS_OK;
};

std::string reasonOf(natsStatus status) {
  if (status == NATS_NO_RESPONDERS) return "NATS: no stream stores the subject";
  return fmt::format("NATS: {}", natsStatus_GetText(status));
}

class NatsSink final : public EventSink {
 public:
  NatsSink(NatsOptions options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}

  std::string_view name() const override { return "nats"; }

  std::vector<Outcome> publish(std::string_view, std::span<const Event> events,
                               Deadline deadline) override {
    if (const natsStatus status = connect(deadline); status != NATS_OK)
      return {{Verdict::failed, reasonOf(status)}};
    std::vector<Outcome> outcomes;
    for (const Event& event : events) {
      if (!outcomes.empty() && deadline.expired(clock_)) break;
      outcomes.push_back(send(event, deadline));
      if (outcomes.back().verdict != Verdict::failed) continue;
      // Whatever went wrong: the next attempt begins with a connection that is known to work.
      jetStream_.reset();
      connection_.reset();
      break;
    }
    return outcomes;
  }

 private:
  Result<Options> makeOptions(std::int64_t timeoutMs) const {
    natsOptions* made = nullptr;
    Steps steps;
    steps.add(natsOptions_Create(&made));
    Options options(made);
    std::vector<const char*> urls;
    urls.reserve(options_.urls.size());
    for (const std::string& url : options_.urls) urls.push_back(url.c_str());
    const std::string password(options_.password.reveal());
    steps.add(natsOptions_SetServers(made, urls.data(), static_cast<int>(urls.size())));
    steps.add(natsOptions_SetTimeout(made, timeoutMs));
    steps.add(natsOptions_SetAllowReconnect(made, false));
    steps.add(natsOptions_SetName(made, "corbel"));
    if (!options_.username.empty()) {
      steps.add(natsOptions_SetUserInfo(made, options_.username.c_str(), password.c_str()));
    } else if (!password.empty()) {
      steps.add(natsOptions_SetToken(made, password.c_str()));
    }
    const bool isTls = std::ranges::any_of(
        options_.urls, [](const std::string& url) { return url.starts_with("tls://"); });
    if (isTls) steps.add(natsOptions_SetSecure(made, true));
    if (isTls && !options_.caFile.empty())
      steps.add(natsOptions_LoadCATrustedCertificates(made, options_.caFile.c_str()));
    if (steps.status() == NATS_OK) return options;
    return fail(ErrorCode::unavailable, reasonOf(steps.status()));
  }

  natsStatus connect(Deadline deadline) {
    if (jetStream_ != nullptr) return NATS_OK;
    const std::int64_t timeoutMs =
        std::clamp<std::int64_t>(deadline.remaining(clock_).count(), 1, kConnectMs);
    const auto options = makeOptions(timeoutMs);
    if (!options) return NATS_INVALID_ARG;
    natsConnection* connection = nullptr;
    if (const natsStatus status = natsConnection_Connect(&connection, options->get());
        status != NATS_OK)
      return status;
    connection_.reset(connection);
    jsOptions waiting;
    Steps steps;
    steps.add(jsOptions_Init(&waiting));
    waiting.Wait = timeoutMs;
    jsCtx* jetStream = nullptr;
    steps.add(natsConnection_JetStream(&jetStream, connection, &waiting));
    jetStream_.reset(jetStream);
    if (steps.status() == NATS_OK) ensureStream();
    return steps.status();
  }

  // What fails here shows when nobody stores what is published.
  void ensureStream() const {
    jsStreamInfo* info = nullptr;
    const natsStatus status = js_GetStreamInfo(&info, jetStream_.get(), kStream, nullptr, nullptr);
    const StreamInfo found(info);
    if (status != NATS_NOT_FOUND) return;
    jsStreamConfig config;
    if (jsStreamConfig_Init(&config) != NATS_OK) return;
    const std::string subjects = options_.subject + ".>";
    const char* all = subjects.c_str();
    config.Name = kStream;
    config.Subjects = &all;
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    jsStreamInfo* made = nullptr;
    static_cast<void>(js_AddStream(&made, jetStream_.get(), &config, nullptr, nullptr));
    const StreamInfo added(made);
  }

  Outcome send(const Event& event, Deadline deadline) const {
    const std::string body = toCloudEvent(event);
    const std::string subject = fmt::format("{}.{}.{}", options_.subject, event.tenant, event.type);
    natsMsg* made = nullptr;
    Steps steps;
    steps.add(natsMsg_Create(&made, subject.c_str(), nullptr, body.data(),
                             static_cast<int>(body.size())));
    const Message message(made);
    if (steps.status() == NATS_OK) {
      steps.add(natsMsgHeader_Set(made, "Content-Type", std::string(kCloudEventType).c_str()));
      steps.add(natsMsgHeader_Set(made, "Nats-Msg-Id", event.id.c_str()));
    }
    jsPubOptions options;
    steps.add(jsPubOptions_Init(&options));
    if (steps.status() != NATS_OK) return {Verdict::failed, reasonOf(steps.status())};
    options.MaxWait = std::max<std::int64_t>(deadline.remaining(clock_).count(), 1);
    jsPubAck* acknowledged = nullptr;
    const natsStatus status =
        js_PublishMsg(&acknowledged, jetStream_.get(), made, &options, nullptr);
    const PubAck owned(acknowledged);
    if (status == NATS_OK) return {Verdict::delivered};
    const bool never = status == NATS_MAX_PAYLOAD;
    return {never ? Verdict::refused : Verdict::failed, reasonOf(status)};
  }

  const NatsOptions options_;
  const Clock& clock_;
  Connection connection_;
  JetStream jetStream_;  // after its connection: it goes first
};

}  // namespace

std::unique_ptr<EventSink> makeNatsSink(NatsOptions options, const Clock& clock) {
  return std::make_unique<NatsSink>(std::move(options), clock);
}

}  // namespace corbel::events

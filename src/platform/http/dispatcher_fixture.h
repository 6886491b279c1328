// For the tests of the dispatcher: an API, gates, a transport without a socket.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/random.h"
#include "http/dispatcher.h"
#include "http/route.h"
#include "loopback.h"

namespace corbel::http {

struct Greeting {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Greeting, (), (text))

struct GreetingQuery {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(GreetingQuery, (), (name))

class CollectingSink final : public BodySink {
 public:
  void append(std::span<const std::byte> chunk,
              std::move_only_function<void(Result<void>)> done) override {
    content.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
    done({});
  }
  std::string content;
};

class TestApi {
 public:
  static constexpr auto routes() {
    return std::tuple{
        get<&TestApi::greet>("/greet", openToAll, "Greet"),
        post<&TestApi::echo>("/greet", openToAll, "Echo", {.bodyMax = 64}),
        get<&TestApi::fail_>("/fail", openToAll, "Throw"),
        get<&TestApi::failLate>("/fail-late", openToAll, "Throw when the client is gone"),
        get<&TestApi::remaining>("/deadline", openToAll, "Time left"),
        get<&TestApi::remaining>("/own-deadline", openToAll, "Time left",
                                 {.deadline = std::chrono::hours(1)}),
        get<&TestApi::remaining>("/no-deadline", openToAll, "Time left", {.deadline = kNoDeadline}),
        get<&TestApi::much>("/much", openToAll, "A long answer"),
        get<&TestApi::muchQuickly>("/much-quickly", openToAll, "The same on the network thread"),
        webSocket<&TestApi::talk>("/talk", openToAll, "Talk", {.bodyMax = 77}),
        get<&TestApi::failQuickly>("/fail-quickly", openToAll, "Throw on the network thread"),
        get<&TestApi::forget>("/forget", openToAll, "Drop the reply"),
        get<&TestApi::wait>("/wait", openToAll, "Keep a thread"),
        get<&TestApi::where>("/quick", openToAll, "Answer on the network thread"),
        upload<&TestApi::begin, &TestApi::finish>("/upload", openToAll, "Upload",
                                                  {.bodyMax = 1000})};
  }

  std::latch go{1};
  Promised<bool> began;
  Promised<bool> abandoned;
  std::shared_ptr<CollectingSink> sink = std::make_shared<CollectingSink>();
  bool refuseUpload = false;

 private:
  Result<Greeting> greet(Call&, const GreetingQuery& query) {
    return Greeting{"hello " + query.name};
  }
  Result<Greeting> echo(Call&, const Greeting& greeting) { return greeting; }
  Result<Greeting> fail_(Call&) { throw std::runtime_error("disk on fire"); }
  Result<Greeting> remaining(Call& call) {
    if (call.deadline().time() == SteadyTime::max()) return Greeting{"never"};
    const auto left = call.deadline().time() - call.startedAt();
    return Greeting{std::to_string(std::chrono::duration_cast<std::chrono::seconds>(left).count())};
  }
  Result<Greeting> much(Call&) { return Greeting{std::string(100'000, 'x')}; }
  void muchQuickly(Call, Reply<Greeting> reply) { reply(Greeting{std::string(100'000, 'x')}); }
  Result<std::shared_ptr<WebSocketHandler>> talk(Call&) {
    return std::shared_ptr<WebSocketHandler>();
  }
  Result<Greeting> failLate(Call& call) {
    call.exchange()->onGone([this] { abandoned.set(true); });
    began.set(true);
    go.wait();
    throw std::runtime_error("disk on fire");
  }
  void failQuickly(Call, Reply<Greeting>) { throw std::runtime_error("disk on fire"); }
  void forget(Call, Reply<Greeting>) {}
  Result<Greeting> wait(Call&) {
    go.wait();
    return Greeting{"waited"};
  }
  void where(Call, Reply<Greeting> reply) { reply(Greeting{"here"}); }
  Result<std::shared_ptr<BodySink>> begin(Call&) {
    if (refuseUpload) return fail(ErrorCode::insufficientStorage, "The storage is used up.");
    return sink;
  }
  Result<Created<Greeting>> finish(Call& call, const GreetingQuery& query) {
    const auto& content = static_cast<CollectingSink&>(*call.context().upload).content;
    return Created<Greeting>{"/greet", {query.name + ": " + content}};
  }
};

// Admits at once, later, or not at all.
class Doorkeeper final : public Admission {
 public:
  std::optional<Result<void>> tryNow(Call&) override { return now; }
  Result<void> decide(Call&) override {
    decidedOn = std::this_thread::get_id();
    return later;
  }
  std::optional<Result<void>> now = Result<void>();
  Result<void> later;
  std::thread::id decidedOn;
};

class Witness final : public Observer {
 public:
  bool wantsBodies() const override { return showBodies; }
  void onBodies(const CallContext&, std::string_view request, std::string_view response) override {
    requestBody = request;
    responseBody = response;
  }
  void onAnswered(const Answered& call, const CallContext& context) override {
    ++answered;
    status = call.sent.status;
    code = context.errorCode;
    detail = context.errorDetail;
  }
  bool showBodies = false;
  std::string requestBody, responseBody;
  int answered = 0, status = 0;
  std::string code, detail;
};

// A transport without a socket: the body is there at once, the response is kept.
class TestExchange final : public Exchange {
 public:
  TestExchange(Service& service, Method method, std::string target, std::vector<Header> headers,
               std::string content)
      : service_(service), target_(std::move(target)), content_(std::move(content)) {
    reset(std::chrono::steady_clock::now());
    head_.method = method;
    head_.target = target_;
    head_.path = std::string_view(target_).substr(0, target_.find('?'));
    if (head_.path.size() < target_.size())
      head_.query = std::string_view(target_).substr(head_.path.size() + 1);
    head_.headers = std::move(headers);
  }
  void readBody(BodyPlan plan) override {
    maxBytes = plan.maxBytes;
    if (plan.sink) {
      plan.sink->append(std::as_bytes(std::span(content_)), [](const Result<void>&) {});
    } else {
      body_ = content_;
    }
    service_.onBody(shared_from_this());
  }
  void post(std::move_only_function<void()> work) override { work(); }

  Response await() {
    MutexLock lock(mutex_);
    while (!response_) lock.wait(sent_);
    return *std::exchange(response_, std::nullopt);
  }
  std::optional<std::size_t> maxBytes;

 private:
  void send(Response response) override {
    const int status = response.status;
    service_.onSent(*this, {.status = status});
    const MutexLock lock(mutex_);
    response_ = std::move(response);
    sent_.notify_all();
  }

  Service& service_;
  const std::string target_;
  const std::string content_;
  Mutex mutex_;
  std::condition_variable sent_;
  std::optional<Response> response_ CORBEL_GUARDED_BY(mutex_);
};

class DispatcherTest : public testing::Test {
 protected:
  ~DispatcherTest() override { pool.stop(Deadline::after(clock, std::chrono::seconds(10))); }

  Dispatcher& dispatcher() {
    if (!dispatcher_) {
      dispatcher_.emplace(Dispatcher::Parts{router, doorkeeper, witness, pool, clock, ids},
                          options);
    }
    return *dispatcher_;
  }
  std::shared_ptr<TestExchange> begin(Method method, std::string target,
                                      std::vector<Header> headers = {}, std::string body = {}) {
    auto exchange = std::make_shared<TestExchange>(dispatcher(), method, std::move(target),
                                                   std::move(headers), std::move(body));
    dispatcher().onHead(exchange);
    return exchange;
  }
  Response ask(Method method, std::string target, std::vector<Header> headers = {},
               std::string body = {}) {
    return begin(method, std::move(target), std::move(headers), std::move(body))->await();
  }
  Response askFor(std::string target, std::vector<Header> headers = {}) {
    return ask(Method::get, std::move(target), std::move(headers));
  }
  static std::string bodyOf(const Response& response) {
    const auto* text = std::get_if<std::string>(&response.body);
    return text != nullptr ? *text : "";
  }
  static std::string header(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return {};
  }

  SystemClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  TestApi api;
  Router router{mount(api, "Test")};
  Doorkeeper doorkeeper;
  Witness witness;
  exec::Pool pool{{.name = "api", .threads = 1, .queueBound = 1}, clock};
  DispatcherOptions options;

 private:
  std::optional<Dispatcher> dispatcher_;
};

}  // namespace corbel::http

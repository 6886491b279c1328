#include "pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "resilience/dependency.h"

namespace corbel::redis {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kCallersMax = 1'024;
constexpr milliseconds kFirstPause{20};
constexpr milliseconds kLongestPause{1'000};
// Of a connection that nobody uses: servers close those that are silent for long.
constexpr milliseconds kCheckEvery{1'000};

}  // namespace

Client::Pool::Pool(Options options, const Clock& clock, Random& random)
    : options_(std::move(options)), clock_(clock), random_(random) {
  connect(0);
  keeper_ = std::jthread([this](const std::stop_token& stop) { keep(stop); });
}

Client::Pool::~Pool() {
  keeper_.request_stop();
  {
    const MutexLock lock(mutex_);
    work_.notify_all();
  }
  keeper_.join();
}

Result<Reply> Client::Pool::ask(std::span<const std::string_view> words, Deadline deadline) {
  const Deadline soon = deadline.earlier(Deadline::after(clock_, options_.timeout));
  // That a server does not answer in less says more about the caller, or about who had the
  // connections before him.
  const auto hasTime = [&] { return soon.remaining(clock_) >= options_.timeout / 2; };
  const auto tooLate = [] {
    return fail(ErrorCode::deadlineExceeded, "Redis: there was too little time left to ask.");
  };
  if (!hasTime()) return tooLate();
  const std::string encoded = encode(words);
  CORBEL_TRY(Lease lease, take(soon));
  if (!hasTime()) {
    giveBack(std::move(lease), nullptr);
    return tooLate();
  }
  // A server that has gone, or has spoken unasked, is found out before it gets the command.
  Result<Reply> reply = fail(ErrorCode::unavailable, "Redis: the server closed the connection.");
  if (lease.connection->isQuiet()) reply = lease.connection->ask(encoded, soon);
  giveBack(std::move(lease), reply ? nullptr : &reply.error());
  return reply;
}

Result<Client::Pool::Lease> Client::Pool::take(Deadline deadline) {
  MutexLock lock(mutex_);
  ++waiting_;
  while (isAvailable_ && idle_.empty()) {
    if (open_ < options_.connectionsMax) work_.notify_one();
    if (!waitUntil(lock, returned_, deadline, clock_)) break;
  }
  --waiting_;
  if (!isAvailable_) return fail(ErrorCode::unavailable, "Redis is away. " + lastError_);
  if (idle_.empty()) {
    return fail(ErrorCode::unavailable,
                fmt::format("Redis: all {} connections are in use.", options_.connectionsMax));
  }
  Lease lease{std::move(idle_.back()), generation_};
  idle_.pop_back();
  return lease;
}

void Client::Pool::giveBack(Lease lease, const Error* error) {
  const MutexLock lock(mutex_);
  if (lease.generation != generation_) return;
  if (error != nullptr) return lose(*error);
  idle_.push_back(std::move(lease.connection));
  returned_.notify_one();
}

void Client::Pool::lose(const Error& error) {
  ++generation_;
  ++losses_;
  isAvailable_ = false;
  lastError_ = error.message;
  open_ = 0;
  idle_.clear();
  nextWork_ = clock_.steady();
  work_.notify_one();
  returned_.notify_all();
}

Status Client::Pool::status() const {
  const MutexLock lock(mutex_);
  return {
      .available = isAvailable_, .lastError = lastError_, .connections = open_, .losses = losses_};
}

void Client::Pool::keep(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Lease idle;
    switch (nextWork(stop, idle)) {
      case Work::none:
        break;
      case Work::connect:
        connect(idle.generation);
        break;
      case Work::check:
        check(std::move(idle));
        break;
    }
  }
}

Client::Pool::Work Client::Pool::nextWork(const std::stop_token& stop, Lease& idle) {
  MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    idle.generation = generation_;
    const SteadyTime now = clock_.steady();
    const bool isDue = now >= nextWork_;
    if (!isAvailable_) {
      if (isDue) return Work::connect;
    } else if (waiting_ > idle_.size() && open_ < options_.connectionsMax && now >= nextMore_) {
      ++open_;
      return Work::connect;
    } else if (isDue) {
      nextWork_ = now + kCheckEvery;
      if (idle_.empty()) continue;
      idle.connection = std::move(idle_.front());
      idle_.erase(idle_.begin());
      return Work::check;
    }
    lock.waitUntil(work_, nextWork_);
  }
  return Work::none;
}

void Client::Pool::connect(std::uint64_t generation) {
  auto made = Connection::open(options_, Deadline::after(clock_, options_.connectMax), clock_);
  const MutexLock lock(mutex_);
  if (generation != generation_) return;
  if (!made) {
    const SteadyTime next = clock_.steady() + pause();
    ++failures_;
    // Those that there are go on, and tell when it is lost: it may have no place for one more.
    if (isAvailable_) {
      --open_;
      nextMore_ = next;
      return;
    }
    lastError_ = made.error().message;
    nextWork_ = next;
    return;
  }
  failures_ = 0;
  if (!isAvailable_) {
    isAvailable_ = true;
    open_ = 1;
    nextWork_ = clock_.steady() + kCheckEvery;
  }
  idle_.push_back(*std::move(made));
  returned_.notify_one();
}

void Client::Pool::check(Lease lease) {
  constexpr std::string_view kPing = "*1\r\n$4\r\nPING\r\n";
  Result<Reply> reply = fail(ErrorCode::unavailable, "Redis: the server closed the connection.");
  if (lease.connection->isQuiet())
    reply = lease.connection->ask(kPing, Deadline::after(clock_, options_.timeout));
  giveBack(std::move(lease), reply ? nullptr : &reply.error());
}

// Doubling up to kLongestPause, of which half is left to chance, so that many processes do not come
// back at once.
milliseconds Client::Pool::pause() {
  const auto whole = std::min(kFirstPause * (1U << std::min(failures_, 10U)), kLongestPause);
  std::uint32_t dice = 0;
  random_.fill(std::as_writable_bytes(std::span(&dice, 1)));
  return whole / 2 + milliseconds(dice % static_cast<std::uint32_t>(whole.count() / 2 + 1));
}

Client::Client(Options options, const Clock& clock, Random& random) {
  const resilience::DependencyParts* const guard = options.guard;
  resilience::DependencyOptions dependency{
      .name = "redis",
      .endpoint = fmt::format("{}:{}", options.host, options.port),
      .cap = options.timeout,
      .margin = milliseconds(0),
      // The pool is the bound of what is asked at once.
      .bulkhead = {.running = kCallersMax, .waiting = 0},
      .probe = [this](Deadline deadline) -> Result<void> {
        constexpr std::array<std::string_view, 1> kPing{"PING"};
        CORBEL_CHECK(pool_->ask(kPing, deadline));
        return {};
      }};
  pool_ = std::make_unique<Pool>(std::move(options), clock, random);
  if (guard != nullptr)
    dependency_ = std::make_unique<resilience::Dependency>(std::move(dependency), *guard);
}

Client::~Client() = default;

Result<Reply> Client::command(std::span<const std::string_view> words, Deadline deadline) {
  if (dependency_ == nullptr) return pool_->ask(words, deadline);
  CORBEL_TRY(auto permit, dependency_->tryEnter(deadline));
  auto reply = pool_->ask(words, permit.deadline());
  // The pool knows whether it was the server: too little time, or no connection, is the caller's.
  if (!reply) {
    permit.countAs(pool_->status().available ? resilience::Outcome::answered
                                             : resilience::Outcome::failed);
  }
  permit.finish(reply ? nullptr : &reply.error());
  return reply;
}

Status Client::status() const { return pool_->status(); }

std::uint64_t Client::losses() const { return pool_->losses(); }

}  // namespace corbel::redis

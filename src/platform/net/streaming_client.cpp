#include "net/streaming_client.h"

#include <utility>

#include "net/exchange.h"

namespace corbel::net {

struct StreamingClient::Connection {
  Handle handle = newHandle();
};

StreamingClient::StreamingClient(const Clock& clock) : clock_(clock) {}
StreamingClient::~StreamingClient() = default;

std::unique_ptr<StreamingClient::Connection> StreamingClient::take() {
  {
    const MutexLock lock(mutex_);
    if (!idle_.empty()) {
      auto last = std::move(idle_.back());
      idle_.pop_back();
      return last;
    }
  }
  return std::make_unique<Connection>();
}

void StreamingClient::giveBack(std::unique_ptr<Connection> connection) {
  const MutexLock lock(mutex_);
  if (idle_.size() < kIdleConnections) idle_.push_back(std::move(connection));
}

Result<void> StreamingClient::run(const StreamingRequest& transfer, Deadline deadline) {
  const Rules rules{.connectMax = std::chrono::milliseconds(1'000), .isSpan = false};
  auto connection = take();
  auto outcome = exchange(connection->handle.get(), transfer, rules, deadline, clock_);
  if (outcome) giveBack(std::move(connection));
  return outcome;
}

}  // namespace corbel::net

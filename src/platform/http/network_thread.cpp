#include "network_thread.h"

#include <pthread.h>
#include <sys/epoll.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/descriptor.h"
#include "base/result.h"
#include "connection.h"
#include "event_loop.h"
#include "stream.h"
#include "tls.h"

namespace corbel::http {
namespace {

constexpr std::chrono::milliseconds kSweepInterval{100};

std::unique_ptr<Stream> streamFor(Descriptor socket, const TlsContext* tls) {
  if (tls != nullptr) return tls->accept(std::move(socket));
  return std::make_unique<PlainStream>(std::move(socket));
}

}  // namespace

NetworkThread::NetworkThread(ServerState& state, std::shared_ptr<EventLoop> loop)
    : state_(state), loop_(std::move(loop)) {
  thread_ = std::thread([this] { loop_->run(kSweepInterval, [this] { sweep(); }); });
  ::pthread_setname_np(thread_.native_handle(), "http");
}

NetworkThread::~NetworkThread() {
  loop_->post([this] {
    while (!connections_.empty()) connections_.back().connection->close();
    loop_->stop();
  });
  thread_.join();
}

void NetworkThread::adopt(Arrival arrival) {
  ++load_;
  if (loop_->onThisThread()) return start(std::move(arrival));
  static_cast<void>(
      loop_->post([this, arrival = std::move(arrival)]() mutable { start(std::move(arrival)); }));
}

void NetworkThread::start(Arrival arrival) {
  const Entrance entrance = arrival.entrance;
  const int number = arrival.socket.number();
  std::shared_ptr<Connection> connection;
  try {
    const Peer peer{.tls = arrival.tls != nullptr, .credentials = arrival.credentials};
    auto stream = streamFor(std::move(arrival.socket), arrival.tls);
    if (!stream) return forget(entrance);
    connection =
        std::make_shared<Connection>(*this, std::move(stream), std::move(arrival.address), peer);
    connections_.push_back({connection, entrance});
  } catch (...) {
    return forget(entrance);
  }
  connection->slot = connections_.size() - 1;
  constexpr std::uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  if (!loop_->watch(number, kEvents, *connection)) return connection->close();
  if (entrance == Entrance::turnedAway) {
    connection->turnAway({ErrorCode::unavailable,
                          "the server has as many connections as it allows; try again later",
                          {},
                          {}});
  }
  if (state_.draining) connection->drain();
}

void NetworkThread::onClosed(Connection& connection) {
  const std::size_t slot = connection.slot;
  forget(connections_[slot].entrance);
  loop_->keep(std::move(connections_[slot].connection));
  connections_[slot] = std::move(connections_.back());
  connections_.pop_back();
  if (slot < connections_.size()) connections_[slot].connection->slot = slot;
}

void NetworkThread::forget(Entrance entrance) {
  --load_;
  --(entrance == Entrance::admitted ? state_.connections : state_.turnedAway);
}

// From the back: closing moves the last connection into the gap, which was swept already.
void NetworkThread::sweep() {
  for (std::size_t i = connections_.size(); i-- > 0;) {
    if (i < connections_.size()) connections_[i].connection->sweep(loop_->now());
  }
}

void NetworkThread::drain() {
  loop_->post([this] {
    for (std::size_t i = connections_.size(); i-- > 0;) {
      if (i < connections_.size()) connections_[i].connection->drain();
    }
  });
}

}  // namespace corbel::http

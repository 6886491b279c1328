// Sockets that listen.
#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"
#include "http/server.h"

namespace corbel::http {

constexpr int kBacklog = 4096;

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t length = 0;
};

// Address::take for a host and a port, when the addresses that the host means are known.
Result<Address> bindAll(std::vector<SocketAddress> addresses, const Endpoint& endpoint);

// failed_precondition: as Address::take.
Result<void> listenOn(const Address& address);

}  // namespace corbel::http

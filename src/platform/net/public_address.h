// Which addresses belong to the public internet.
#pragma once
#include <sys/socket.h>

namespace corbel::net {

// False for everything that the IANA registries of special-purpose addresses (RFC 6890 and what
// follows it) do not call globally reachable: this machine, private and shared networks, link-local
// with the clouds' metadata services, multicast, documentation, and IPv6 forms that carry an IPv4
// address. Other families: false.
bool isPublic(const sockaddr& address);

}  // namespace corbel::net

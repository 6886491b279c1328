// Which addresses belong to the public internet, and which to this machine.
#pragma once
#include <sys/socket.h>

namespace corbel::net {

// False for everything that the IANA registries of special-purpose addresses (RFC 6890 and what
// follows it) do not call globally reachable: this machine, private and shared networks, link-local
// with the clouds' metadata services, multicast, documentation, and IPv6 forms that carry an IPv4
// address. Other families: false.
bool isPublic(const sockaddr& address);

// 127.0.0.0/8 and ::1. Other families: false.
bool isThisMachine(const sockaddr& address);

}  // namespace corbel::net

// The cookie that keeps a browser signed in, and whose page a request comes from.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.h"

namespace corbel::http {

// Of connections that are known to be encrypted the name begins with __Host-, so that the browser
// takes it from this very host alone (RFC 6265bis, 4.1.3.2).
inline constexpr std::string_view kPlainSessionCookie = "corbel_session";
inline constexpr std::string_view kSecureSessionCookie = "__Host-corbel_session";

// The value of the session's cookie, the secure one first. Empty: there is none, or more than one
// of a name.
std::string_view sessionCookieOf(const RequestHead& head);

// The token of "Authorization: Bearer cru_…", else the cookie's; empty: neither.
std::string_view sessionTokenOf(const RequestHead& head);

enum class Transport : std::uint8_t { plain, encrypted };
// Values of Set-Cookie. Not readable by scripts, and not sent from pages of other sites.
std::string sessionCookie(std::string_view token, std::chrono::seconds maxAge, Transport transport);
std::string noSessionCookie(Transport transport);

// Whether a page of this server sent the request, as the browser says (Origin, Sec-Fetch-Site). A
// request that says nothing does not count: browsers always do where something is changed.
bool isFromOwnPage(const RequestHead& head);

}  // namespace corbel::http

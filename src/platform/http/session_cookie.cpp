#include "http/session_cookie.h"

#include <fmt/format.h>

#include "base/text.h"

namespace corbel::http {
namespace {

struct Found {
  std::string_view value;
  int count = 0;
};

void lookInto(std::string_view header, std::string_view name, Found& found) {
  while (!header.empty()) {
    std::string_view value = trim(takeUntil(header, ';'));
    if (takeUntil(value, '=') != name) continue;
    found.value = value;
    ++found.count;
  }
}

// Somebody else may have planted a second one: which of them is ours cannot be told.
std::string_view onlyCookie(const RequestHead& head, std::string_view name) {
  Found found;
  for (const Header& header : head.headers) {
    if (equalsIgnoringCase(header.name, "Cookie")) lookInto(header.value, name, found);
  }
  return found.count == 1 ? found.value : std::string_view();
}

std::string cookie(std::string_view value, std::chrono::seconds maxAge, Transport transport) {
  const bool encrypted = transport == Transport::encrypted;
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}",
                     encrypted ? kSecureSessionCookie : kPlainSessionCookie, value, maxAge.count(),
                     encrypted ? "; Secure" : "");
}

}  // namespace

std::string_view sessionCookieOf(const RequestHead& head) {
  const std::string_view secure = onlyCookie(head, kSecureSessionCookie);
  return secure.empty() ? onlyCookie(head, kPlainSessionCookie) : secure;
}

std::string_view sessionTokenOf(const RequestHead& head) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view value = head.header("Authorization");
  if (equalsIgnoringCase(value.substr(0, kScheme.size()), kScheme))
    return trim(value.substr(kScheme.size()));
  return value.empty() ? sessionCookieOf(head) : std::string_view();
}

std::string sessionCookie(std::string_view token, std::chrono::seconds maxAge,
                          Transport transport) {
  return cookie(token, maxAge, transport);
}

std::string noSessionCookie(Transport transport) {
  return cookie("", std::chrono::seconds(0), transport);
}

bool isFromOwnPage(const RequestHead& head) {
  const std::string_view site = head.header("Sec-Fetch-Site");
  if (head.count("Sec-Fetch-Site") > 1 || head.count("Origin") > 1) return false;
  if (!site.empty() && site != "same-origin") return false;
  const std::string_view origin = head.header("Origin");
  if (origin.empty()) return !site.empty();
  const std::string host(head.header("Host"));
  return !host.empty() && (origin == "http://" + host || origin == "https://" + host);
}

}  // namespace corbel::http

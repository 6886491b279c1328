#include "rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "config/settings.h"
#include "redis_url.h"

namespace corbel::config {
namespace {

constexpr std::size_t kHostLength = 253;  // RFC 1035, 2.3.4, as text
// An HS256 key has at least the length of the hash (RFC 7518, 3.2).
constexpr std::size_t kSigningSecretBytes = 32;
constexpr std::size_t kDistinctBytes = 8;

bool isHostCharacter(char c) {
  return (c >= '0' && c <= '9') || (lowerAscii(c) >= 'a' && lowerAscii(c) <= 'z') ||
         std::string_view(".-_:[]").contains(c);
}

bool isHost(std::string_view text) {
  return !text.empty() && text.size() <= kHostLength && std::ranges::all_of(text, isHostCharacter);
}

// Bits of the address family; 0 when it is no address.
int addressBits(std::string_view text) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  const std::string terminated(text);
  if (inet_pton(AF_INET, terminated.c_str(), address.data()) == 1) return 32;
  return inet_pton(AF_INET6, terminated.c_str(), address.data()) == 1 ? 128 : 0;
}

}  // namespace

bool isLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host == "[::1]" ||
         (host.starts_with("127.") && addressBits(host) == 32);
}

std::string checkHost(std::string_view text) {
  return isHost(text) ? "" : "must be an address or a host name, as in 127.0.0.1 or 0.0.0.0";
}

std::string checkAllowedHost(std::string_view text) {
  return isHost(text) || text == "*"
             ? ""
             : "must be a host name with an optional port, as in ai.example.com:3004, or *";
}

std::string checkOrigin(std::string_view text) {
  std::string_view host = text;
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (host.starts_with(scheme)) {
      host.remove_prefix(scheme.size());
      if (isHost(host)) return "";
    }
  }
  return text == "*" ? "" : "must be an origin without a path, as in https://app.example.com, or *";
}

std::string checkFolder(std::string_view text) { return text.empty() ? "must be a path" : ""; }

std::string checkStoreUrl(std::string_view text) {
  if (text.empty()) return "";
  if (text.starts_with("sqlite:")) {
    const std::string_view path = text.substr(std::string_view("sqlite:").size());
    // Two slashes would begin the name of a host.
    const bool named = path.find_first_not_of('/') != std::string_view::npos;
    if (named && (!path.starts_with("//") || path.starts_with("///"))) return "";
  }
  // The rest is checked by who connects.
  for (const std::string_view scheme : {"postgres://", "postgresql://"}) {
    if (text.starts_with(scheme) && text.size() > scheme.size()) return "";
  }
  return "must be sqlite:<file>, as in sqlite:/var/lib/corbel/corbel.db, or "
         "postgres://user:password@host:port/name";
}

std::string checkSchema(std::string_view text) {
  const auto isPlain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  const bool good = !text.empty() && text.size() < 64 && std::ranges::all_of(text, isPlain) &&
                    (text.front() < '0' || text.front() > '9') && !text.starts_with("pg_");
  return good ? "" : "must be a name of lower-case letters, digits and _, as in corbel";
}

std::string checkSigningSecret(std::string_view text) {
  if (text.size() < kSigningSecretBytes)
    return "must be 32 bytes or more, as `openssl rand -hex 32` makes";
  const std::string lower = toLowerAscii(text);
  const std::set<char> distinct(text.begin(), text.end());
  for (const std::string_view placeholder :
       {"changeme", "change-me", "change_me", "your-secret", "your_secret"}) {
    if (lower.contains(placeholder))
      return "must not be a placeholder; `openssl rand -hex 32` makes a good one";
  }
  return distinct.size() < kDistinctBytes ? "must be random, as `openssl rand -hex 32` makes" : "";
}

std::string checkRole(std::string_view text) {
  return text == "all" || std::ranges::find(roleNames(), text) != roleNames().end()
             ? ""
             : "must be all, gateway, models, scheduler or worker";
}

std::string checkRoleUrl(std::string_view text) {
  const bool good = checkOrigin(text).empty() && text != "*";
  return good ? "" : "must be an address without a path, as in http://10.0.0.5:3004";
}

namespace {

// A host with or without a path: no user, query and fragment.
bool isPlainUrl(std::string_view text, std::string_view scheme) {
  if (!text.starts_with(scheme)) return false;
  std::string_view rest = text.substr(scheme.size());
  const std::string_view host = takeUntil(rest, '/');
  return isHost(host) && std::ranges::all_of(rest, [](char c) {
           return isHostCharacter(c) || c == '/' || c == '~' || c == '%';
         });
}

}  // namespace

std::string checkJwksUrl(std::string_view text) {
  return text.empty() || isPlainUrl(text, "https://")
             ? ""
             : "must be an https:// address, without user, query and fragment";
}

std::string checkBackendUrl(std::string_view text) {
  return text.empty() || isPlainUrl(text, "https://") || isPlainUrl(text, "http://")
             ? ""
             : "must be http:// or https:// with a host, without user, query and fragment, as in "
               "https://app.example.com";
}

std::string checkPath(std::string_view text) {
  const bool good = text.starts_with('/') && std::ranges::all_of(text, [](char c) {
                      return isHostCharacter(c) || std::string_view("/~%?=&").contains(c);
                    });
  return good ? "" : "must be a path, as in /api/auth/verify";
}

std::string checkEventSource(std::string_view text) {
  const bool good = !text.empty() && text.size() <= 256 && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c < 0x7f && !std::string_view("\"<>\\^`{|}").contains(c);
  });
  return good ? "" : "must be a URI or a path of at most 256 bytes, as in /corbel/berlin";
}

std::string checkWebhookHost(std::string_view text) {
  return isHost(text) ? "" : "must be a host with an optional port, as in hooks.internal:9000";
}

std::string checkNatsUrl(std::string_view text) {
  while (!text.empty()) {
    std::string_view url = takeUntil(text, ',');
    for (const std::string_view scheme : {"nats://", "tls://"}) {
      if (url.starts_with(scheme)) {
        url.remove_prefix(scheme.size());
        if (isHost(url)) url = {};
      }
    }
    if (!url.empty())
      return "must be nats://host:port or tls://host:port, several with commas; the password has "
             "its own setting";
  }
  return "";
}

std::string checkNatsSubject(std::string_view text) {
  const bool good = !text.empty() && text.size() <= 128 && !text.starts_with('.') &&
                    !text.ends_with('.') && !text.contains("..") &&
                    std::ranges::all_of(text, [](char c) {
                      return (isHostCharacter(c) && !std::string_view(":[]").contains(c));
                    });
  return good ? ""
              : "must be words of letters, digits, - and _ with dots between, as in corbel.events";
}

std::string checkBrokerHost(std::string_view text) {
  return text.empty() || (isHost(text) && !(text.contains(':') && addressBits(text) == 0))
             ? ""
             : "must be an address or a host name; the port has its own setting";
}

std::string checkRedisUrl(std::string_view text) {
  return text.empty() || parseRedisUrl(text)
             ? ""
             : "must be redis://user:password@host:port/database or rediss://..., with special "
               "characters of the password percent-encoded";
}

std::string checkS3Url(std::string_view text) {
  std::string_view host = text;
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (text.starts_with(scheme)) host = text.substr(scheme.size());
  }
  if (host.ends_with('/')) host.remove_suffix(1);
  return text.empty() || (host.size() < text.size() && text.contains("://") && isHost(host))
             ? ""
             : "must be https://host:port without a path, as in "
               "https://s3.eu-central-1.amazonaws.com";
}

std::string checkBucket(std::string_view text) {
  const bool good =
      text.empty() ||
      (text.size() >= 3 && text.size() <= 63 && std::ranges::all_of(text, [](char c) {
         return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
       }));
  return good ? "" : "must be 3 to 63 lower-case letters, digits, dots and -";
}

std::string checkS3Prefix(std::string_view text) {
  const bool good =
      text.size() <= 256 && !text.starts_with('/') && !text.contains("//") &&
      std::ranges::all_of(text, [](char c) {
        return (isHostCharacter(c) && !std::string_view(":[]").contains(c)) || c == '/';
      });
  return good ? "" : "must be letters, digits, dots, -, _ and /, without / in front, as in corbel/";
}

std::string checkMqttTopic(std::string_view text) {
  const bool good = !text.empty() && text.size() <= 128 && !text.starts_with('/') &&
                    !text.ends_with('/') && !text.starts_with('$') &&
                    std::ranges::all_of(text, [](char c) {
                      return c > ' ' && c < 0x7f && !std::string_view("+#").contains(c);
                    });
  return good ? "" : "must be levels with / between, without + and #, as in corbel/events";
}

std::string checkKafkaBrokers(std::string_view text) {
  while (!text.empty()) {
    if (!isHost(takeUntil(text, ',')))
      return "must be hosts with an optional port, several with commas, as in kafka1:9092";
  }
  return "";
}

// Kafka's own rule for names of topics.
std::string checkKafkaTopic(std::string_view text) {
  const bool good = !text.empty() && text.size() <= 249 && std::ranges::all_of(text, [](char c) {
    return isHostCharacter(c) && !std::string_view(":[]").contains(c);
  });
  return good ? "" : "must be letters, digits, dots, - and _, as in corbel-events";
}

std::string checkTracesEndpoint(std::string_view text) {
  if (text.empty()) return "";
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (text.starts_with(scheme)) text.remove_prefix(scheme.size());
  }
  if (text.contains("://")) return "must begin with http:// or https://";
  const std::string_view host = takeUntil(text, '/');
  const bool plain = std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  return isHost(host) && plain ? "" : "must be an address as in http://collector:4318";
}

std::string checkAmqpQueue(std::string_view text) {
  const bool good = text.size() <= 255 && !text.starts_with("amq.") &&
                    std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  return good ? "" : "must be at most 255 letters, digits and signs, not beginning with amq.";
}

std::string checkAmqpName(std::string_view text) {
  return text.empty() ? "must be a name, as in corbel.events" : checkAmqpQueue(text);
}

}  // namespace corbel::config

#include "redis_url.h"

#include <algorithm>
#include <utility>

#include "base/percent.h"
#include "base/text.h"

namespace corbel::config {
namespace {

constexpr int kDatabases = 16'384;  // more than any server is set up with

bool takeScheme(std::string_view& rest, RedisTarget& target) {
  for (const auto& [scheme, tls] : {std::pair<std::string_view, bool>("redis://", false),
                                    std::pair<std::string_view, bool>("rediss://", true)}) {
    if (!rest.starts_with(scheme)) continue;
    rest.remove_prefix(scheme.size());
    target.tls = tls;
    return true;
  }
  return false;
}

bool readCredentials(std::string_view text, RedisTarget& target) {
  const auto user = percentDecode(takeUntil(text, ':'));
  auto password = percentDecode(text);
  if (!user || !password) return false;
  target.username = *user;
  target.password = Secret(*std::move(password));
  return true;
}

bool readAddress(std::string_view text, RedisTarget& target) {
  std::string_view host = text.substr(0, text.rfind(':'));
  std::string_view port = host.size() < text.size() ? text.substr(host.size() + 1) : "";
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return false;
    if (!port.empty()) port.remove_prefix(1);
  } else if (host.contains(':')) {
    return false;
  }
  const bool plain = !host.empty() && std::ranges::all_of(host, [](char c) {
    return (c >= '0' && c <= '9') || (lowerAscii(c) >= 'a' && lowerAscii(c) <= 'z') ||
           std::string_view(".-_:").contains(c);
  });
  if (!plain || host.size() > 253) return false;
  target.host = host;
  if (port.empty()) return host.size() == text.size() || text.ends_with(']');
  const auto number = parseNumber<std::uint16_t>(port);
  target.port = number.value_or(0);
  return target.port != 0;
}

}  // namespace

std::optional<RedisTarget> parseRedisUrl(std::string_view url) {
  RedisTarget target;
  if (!takeScheme(url, target)) return std::nullopt;
  std::string_view rest = url;
  std::string_view authority = takeUntil(rest, '/');
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    if (!readCredentials(authority.substr(0, at), target)) return std::nullopt;
    authority.remove_prefix(at + 1);
  }
  if (!readAddress(authority, target)) return std::nullopt;
  if (rest.empty()) return target;
  const auto database = parseNumber<int>(rest);
  if (!database || *database < 0 || *database >= kDatabases) return std::nullopt;
  target.database = *database;
  return target;
}

std::optional<RedisTarget> redisTarget(const Settings& settings) {
  const RedisSettings& redis = settings.redis;
  if (!redis.url.empty()) return parseRedisUrl(redis.url.reveal());
  if (redis.host.empty()) return std::nullopt;
  return RedisTarget{.host = redis.host,
                     .port = redis.port,
                     .username = redis.username,
                     .password = redis.password,
                     .tls = redis.tls};
}

}  // namespace corbel::config

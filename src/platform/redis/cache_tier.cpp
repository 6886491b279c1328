#include "redis/cache_tier.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/text.h"
#include "key_name.h"

namespace corbel::redis {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kValueBytes = std::size_t{1024} * 1024;
constexpr milliseconds kLongest{std::chrono::hours(24 * 30)};

std::string keyOf(const cache::Key& key) {
  return "corbel:cache:" + std::string(key.kind) + ':' + keyName(key.tenant, key.name);
}

}  // namespace

// A value is the time until which it is fresh, in milliseconds since 1970, a space and the bytes.
std::optional<cache::Entry> CacheTier::find(const cache::Key& key, Deadline deadline) {
  const auto reply = client_.command({"GET", keyOf(key)}, deadline);
  if (!reply || reply->kind != Reply::Kind::text) return std::nullopt;
  std::string_view rest = reply->text;
  const auto until = parseNumber<std::int64_t>(takeUntil(rest, ' '));
  const auto now = clock_.now().time_since_epoch();
  if (!until || *until < 0 || milliseconds(*until) > now + kLongest) return std::nullopt;
  return cache::Entry{std::string(rest), milliseconds(*until) - now};
}

void CacheTier::put(const cache::Key& key, const cache::Entry& entry, milliseconds staleFor) {
  if (entry.value.size() > kValueBytes) return;
  const milliseconds fresh = std::min(entry.freshFor, kLongest);
  const auto until = (clock_.now() + fresh).time_since_epoch().count();
  const std::string value = std::to_string(until) + ' ' + entry.value;
  const std::string lifetime = std::to_string((fresh + staleFor).count());
  static_cast<void>(client_.command({"SET", keyOf(key), value, "PX", lifetime}, Deadline::never()));
}

}  // namespace corbel::redis

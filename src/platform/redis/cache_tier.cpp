#include "redis/cache_tier.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

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

Result<std::int64_t> CacheTier::forget(std::string_view, Deadline deadline) {
  std::string cursor = "0";
  std::int64_t count = 0;
  do {
    CORBEL_TRY(
        const Reply reply,
        client_.command({"SCAN", cursor, "MATCH", "corbel:cache:*", "COUNT", "500"}, deadline));
    if (reply.kind != Reply::Kind::array || reply.elements.size() != 2)
      return fail(ErrorCode::unavailable, "Redis did not say which values it has.", reply.text);
    std::vector<std::string_view> words{"UNLINK"};
    for (const Reply& key : reply.elements[1].elements) words.push_back(key.text);
    if (words.size() > 1) {
      CORBEL_TRY(const Reply removed, client_.command(words, deadline));
      if (removed.kind != Reply::Kind::integer)
        return fail(ErrorCode::unavailable, "Redis did not remove values.", removed.text);
      count += removed.integer;
    }
    cursor = reply.elements[0].text;
  } while (cursor != "0");
  return count;
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

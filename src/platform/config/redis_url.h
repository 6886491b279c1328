// redis.url as its parts.
#pragma once
#include <optional>
#include <string_view>

#include "config/settings.h"

namespace corbel::config {

// "redis://[[user]:password@]host[:port][/database]", with rediss:// for TLS; user and password
// percent-encoded, IPv6 in brackets. Nothing: not such a text.
std::optional<RedisTarget> parseRedisUrl(std::string_view url);

}  // namespace corbel::config

// What the server runs to charge buckets.
#pragma once

namespace corbel::redis {

// KEYS: a bucket each. ARGV: the largest limit that is counted exactly, then for each bucket limit,
// window in microseconds, cost. Returns {the bucket that did not fit, from 1 on, or 0 when all were
// charged; units left, microseconds until reset and until a retry fits, of that bucket or the
// first}.
inline constexpr const char kLimitScript[] = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local stamp = string.format('%.0f', now)
local exact = tonumber(ARGV[1])

local function push(key, count)
  local times = {}
  for i = 1, count do times[i] = stamp end
  if count > 0 then redis.call('RPUSH', key, unpack(times)) end
end

-- A list with the time of every unit in the window, oldest first.
local function log(key, limit, window, cost)
  local length = redis.call('LLEN', key)
  -- The server's clock was set back: what lies in the future is taken for now.
  if length > 0 and tonumber(redis.call('LINDEX', key, -1)) > now then
    redis.call('DEL', key)
    push(key, length)
    redis.call('PEXPIRE', key, math.ceil(window / 1000) + 1)
  end
  if length > 0 and tonumber(redis.call('LINDEX', key, 0)) <= now - window then
    local gone, kept = 0, length
    while kept - gone > 1 do
      local middle = math.floor((gone + kept) / 2)
      local at = tonumber(redis.call('LINDEX', key, middle))
      if at <= now - window then gone = middle else kept = middle end
    end
    redis.call('LTRIM', key, kept, -1)
    length = length - kept
  end
  local bucket = {remaining = math.max(limit - length, 0), reset = 0, retry = 0}
  if length > 0 then bucket.reset = tonumber(redis.call('LINDEX', key, 0)) + window - now end
  bucket.allowed = cost == 0 or length + cost <= limit
  if not bucket.allowed and cost <= limit then
    bucket.retry = tonumber(redis.call('LINDEX', key, length + cost - limit - 1)) + window - now
  end
  bucket.take = function()
    push(key, cost)
    redis.call('PEXPIRE', key, math.ceil(window / 1000) + 1)
    bucket.remaining = bucket.remaining - cost
    if length == 0 then bucket.reset = window end
  end
  return bucket
end

-- Units used, which flow back at the rate of the quota, and when that was so.
local function counter(key, limit, window, cost)
  local held = redis.call('HMGET', key, 'level', 'at')
  local level, at = tonumber(held[1] or 0), tonumber(held[2] or now)
  level = math.max(level - math.max(now - at, 0) * limit / window, 0)
  local bucket = {remaining = math.max(math.floor(limit - level), 0), retry = 0}
  bucket.reset = level * window / limit
  bucket.allowed = cost == 0 or level + cost <= limit
  if not bucket.allowed and cost <= limit then
    bucket.retry = (level + cost - limit) * window / limit
  end
  bucket.take = function()
    level = level + cost
    redis.call('HSET', key, 'level', string.format('%.17g', level), 'at', stamp)
    redis.call('PEXPIRE', key, math.ceil(level * window / limit / 1000) + 1)
    bucket.remaining = math.max(math.floor(limit - level), 0)
    bucket.reset = level * window / limit
  end
  return bucket
end

local function answer(which, bucket)
  return {which, bucket.remaining, math.ceil(bucket.reset), math.ceil(bucket.retry)}
end

local buckets, costs = {}, {}
for i, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  costs[i] = tonumber(ARGV[3 * i + 1])
  buckets[i] = (limit > exact and counter or log)(key, limit, window, costs[i])
  if not buckets[i].allowed then return answer(i, buckets[i]) end
end
for i, bucket in ipairs(buckets) do
  if costs[i] > 0 then bucket.take() end
end
return answer(0, buckets[1])
)lua";

}  // namespace corbel::redis

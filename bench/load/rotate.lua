-- wrk: sends the lines of a file as JSON bodies, in turn, and prints its figures as one line of JSON.
-- wrk -s rotate.lua URL -- BODIES [AUTHORIZATION]

local requests = {}
local next = 0

function init(arguments)
  local headers = {["Content-Type"] = "application/json", ["Authorization"] = arguments[2]}
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  next = next % #requests + 1
  return requests[next]
end

function done(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.timeout
  io.write(string.format(
    '{"requests": %d, "failed": %d, "requests_per_s": %.1f, "p50_ms": %.4f, "p99_ms": %.4f}\n',
    summary.requests, failed, summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end

-- wrk script: sends the requests that the file named by the first argument returns, one of them always
-- or all of them in random order, and prints what happened as one line of JSON.

function init(arguments)
  local requests = dofile(arguments[1])
  local first, count = requests[1], #requests
  if count == 1 then
    -- wrk asks once for a request that never changes
    wrk.format = function() return first end
  else
    local random = math.random
    request = function() return requests[random(count)] end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "bytes": %d, "broken": %d, "refused": %d, ' ..
    '"p50_us": %.1f, "p99_us": %.1f, "p999_us": %.1f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end

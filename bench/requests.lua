-- Sends the requests of the file named by BENCH_REQUESTS, one a line: method, path, token, user, body; tab separated.
local requests, position = {}, 0
function init(args)
  for line in io.lines(os.getenv("BENCH_REQUESTS")) do
    local method, path, token, user, body = line:match("([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)")
    local headers = { ["Authorization"] = "Bearer " .. token, ["X-User"] = user, ["Content-Type"] = "application/json" }
    if method == "GET" then body = nil end
    requests[#requests + 1] = wrk.format(method, path, headers, body)
  end
  position = tonumber(os.getenv("BENCH_FROM") or "0")
end
function request()
  position = position + 1
  return requests[(position - 1) % #requests + 1]
end
function done(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %.1f %.1f\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end

-- For wrk: wrk -s hits.lua URL -- PATH [KEYS]
-- One PATH, or with KEYS the paths PATH1 to PATH<KEYS> in turn, formatted beforehand.
-- The last line is "requests errors p50_us p99_us seconds".
local requests = {}
local at = 0

function init(args)
    local path, keys = args[1], tonumber(args[2] or "0")
    -- What a browser sends with a fetch().
    wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) " ..
        "Chrome/126.0.0.0 Safari/537.36"
    wrk.headers["Accept"] = "application/json, text/plain, */*"
    wrk.headers["Accept-Encoding"] = "gzip, deflate, br, zstd"
    wrk.headers["Accept-Language"] = "en-GB,en;q=0.9,de;q=0.8"
    wrk.headers["Referer"] = "http://127.0.0.1/app/"
    wrk.headers["Sec-Fetch-Site"] = "same-origin"
    wrk.headers["Sec-Fetch-Mode"] = "cors"
    wrk.headers["Sec-Fetch-Dest"] = "empty"
    local token = os.getenv("EDGE_BENCH_TOKEN")
    if token then wrk.headers["Authorization"] = "Bearer " .. token end
    if keys == 0 then
        requests[1] = wrk.format("GET", path)
    else
        for i = 1, keys do requests[i] = wrk.format("GET", path .. i) end
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local e = summary.errors
    print(string.format("%d %d %d %d %.3f", summary.requests, e.connect + e.read + e.write + e.status + e.timeout,
        latency:percentile(50), latency:percentile(99), summary.duration / 1e6))
end

-- For wrk: wrk -t 1 -s fill.lua URL -- LAST FILE
-- Asks for /1 to /LAST in turn; FILE remembers over runs how far it came.
local at, last, file = 0, 1, nil

function init(args)
    last, file = tonumber(args[1]), args[2]
    local before = io.open(file)
    if before then
        at = tonumber(before:read("*a")) or 0
        before:close()
    end
end

function request()
    at = at % last + 1
    if at % 1000 == 0 then
        local out = io.open(file, "w")
        out:write(tostring(math.max(at - 1000, 0)))
        out:close()
    end
    return wrk.format("GET", "/" .. at)
end

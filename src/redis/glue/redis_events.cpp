#include "redis/glue/redis_events.hpp"

namespace edge::redis {

constinit Observer observer{[](std::string_view) noexcept { return 0U; },
                            [](unsigned, int) noexcept {},
                            [](unsigned, int) noexcept {},
                            [](unsigned, std::uint64_t) noexcept {},
                            [](unsigned, Failure) noexcept {},
                            [](unsigned, Breaker::State, Breaker::State) noexcept {}};

std::string_view failure_name(Failure failure) noexcept
{
    switch (failure) {
        case Failure::none:
            return "none";
        case Failure::timed_out:
            return "timed out";
        case Failure::lost:
            return "connection lost";
        case Failure::refused:
            return "taken out";
        case Failure::protocol:
            return "protocol error";
        case Failure::error_reply:
            return "error reply";
    }
    return {};
}

}

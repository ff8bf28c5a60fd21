#include "cache/glue/events.hpp"

namespace edge::cache {

constinit Observer observer{[](Status, Forward) noexcept {},
                            [](NotStored) noexcept {},
                            [](Count, std::uint64_t) noexcept {},
                            [](std::uint64_t) noexcept {},
                            [](http::Coding, std::uint64_t, std::uint64_t, std::uint64_t) noexcept {},
                            [](http::Coding, std::uint64_t) noexcept {}};

std::string_view status_name(Status status) noexcept
{
    switch (status) {
        case Status::hit:
            return "HIT";
        case Status::miss:
            return "MISS";
        case Status::stale:
            return "STALE";
        case Status::updating:
            return "UPDATING";
        case Status::revalidated:
            return "REVALIDATED";
        case Status::expired:
            return "EXPIRED";
        case Status::bypass:
            return "BYPASS";
        case Status::pass:
            return "PASS";
        case Status::none:
            break;
    }
    return {};
}

}

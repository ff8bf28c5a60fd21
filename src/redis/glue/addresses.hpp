#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "redis/glue/settings.hpp"

namespace edge::redis {

/// The address an URL names when it takes no resolver: of a unix socket or a numeric host.
std::optional<Address> literal_address(const Url& url);

/// The addresses of one node, in turn.
class Addresses {
public:
    Addresses(const Endpoint& endpoint, const Settings& settings);

    /// nullptr: none is known yet.
    const Address* next() noexcept;

private:
    std::vector<Address> known_;
    std::size_t turn_ = 0;
};

}

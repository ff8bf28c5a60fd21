#include "redis/glue/addresses.hpp"

#include <arpa/inet.h>
#include <sys/un.h>

#include <cstring>

namespace edge::redis {

std::optional<Address> literal_address(const Url& url)
{
    Address address;
    address.text = url.address();
    if (url.is_unix()) {
        auto& to = reinterpret_cast<sockaddr_un&>(address.storage);
        if (url.path.size() >= sizeof(to.sun_path)) return std::nullopt;
        to.sun_family = AF_UNIX;
        std::memcpy(to.sun_path, url.path.data(), url.path.size());
        address.length = sizeof(to);
        return address;
    }
    auto& four = reinterpret_cast<sockaddr_in&>(address.storage);
    if (::inet_pton(AF_INET, url.host.c_str(), &four.sin_addr) == 1) {
        four.sin_family = AF_INET;
        four.sin_port = htons(url.port);
        address.length = sizeof(four);
        return address;
    }
    auto& six = reinterpret_cast<sockaddr_in6&>(address.storage);
    if (::inet_pton(AF_INET6, url.host.c_str(), &six.sin6_addr) == 1) {
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(url.port);
        address.length = sizeof(six);
        return address;
    }
    return std::nullopt;
}

Addresses::Addresses(const Endpoint& endpoint, const Settings&) : known_{endpoint.addresses}
{
    if (!known_.empty()) return;
    if (auto literal = literal_address(endpoint.url)) known_.push_back(std::move(*literal));
}

const Address* Addresses::next() noexcept
{
    return known_.empty() ? nullptr : &known_[turn_++ % known_.size()];
}

}

#include "redis/glue/addresses.hpp"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "nginx/barrier.hpp"

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

namespace {

constexpr ngx_msec_t kPatience = 5000;      ///< for one answer of the resolver's
constexpr ngx_msec_t kAfterFailure = 3000;  ///< until it is asked again
constexpr time_t kShortest = 1;  ///< seconds; what is said to be valid for less is asked for no sooner

bool same_texts(const std::vector<Address>& a, const std::vector<Address>& b)
{
    const auto texts = [](const std::vector<Address>& addresses) {
        std::vector<std::string_view> all;
        for (const Address& address : addresses) all.push_back(address.text);
        std::sort(all.begin(), all.end());
        return all;
    };
    return texts(a) == texts(b);
}

Address with_port(const ngx_resolver_addr_t& from, std::uint16_t port)
{
    Address address;
    address.length = std::min<socklen_t>(from.socklen, sizeof(address.storage));
    std::memcpy(&address.storage, from.sockaddr, address.length);
    auto* sockaddr = reinterpret_cast<struct sockaddr*>(&address.storage);
    ngx_inet_set_port(sockaddr, port);
    u_char text[NGX_SOCKADDR_STRLEN];
    const std::size_t size = ngx_sock_ntop(sockaddr, address.length, text, sizeof(text), 1);
    address.text.assign(reinterpret_cast<char*>(text), size);
    return address;
}

}

Addresses::Addresses(const Endpoint& endpoint, const Settings& settings,
                     void (*changed)(void* owner) noexcept, void* owner)
    : host_{endpoint.url.host},
      port_{endpoint.url.port},
      resolver_{settings.resolver},
      changed_{changed},
      owner_{owner},
      known_{endpoint.addresses}
{
    if (auto literal = literal_address(endpoint.url)) {
        known_ = {std::move(*literal)};
        resolver_ = nullptr;
    }
    if (resolver_ != nullptr) timer_.arm(1);
}

Addresses::~Addresses()
{
    stop();
}

void Addresses::stop() noexcept
{
    resolver_ = nullptr;
    timer_.cancel();
    if (asking_ != nullptr) ngx_resolve_name_done(std::exchange(asking_, nullptr));
}

void Addresses::ask() noexcept
{
    if (resolver_ == nullptr || asking_ != nullptr || ngx_exiting) return;
    ngx_resolver_ctx_t* question = ngx_resolve_start(resolver_, nullptr);
    if (question == nullptr || question == NGX_NO_RESOLVER) return timer_.arm(kAfterFailure);
    question->name = {host_.size(), reinterpret_cast<u_char*>(const_cast<char*>(host_.data()))};
    question->handler = [](ngx_resolver_ctx_t* answer) noexcept {
        static_cast<Addresses*>(answer->data)->answered();
    };
    question->data = this;
    question->timeout = kPatience;
    question->cancelable = 1;
    asking_ = question;
    if (ngx_resolve_name(question) == NGX_OK) return;
    asking_ = nullptr;  // freed by whoever failed
    timer_.arm(kAfterFailure);
}

void Addresses::answered() noexcept
{
    ngx_resolver_ctx_t* answer = std::exchange(asking_, nullptr);
    answered_ = true;
    const time_t valid_for = std::max<time_t>(answer->valid - ngx_time(), kShortest);
    const bool well = answer->state == NGX_OK && answer->naddrs != 0;
    if (!well) {
        // A name that is gone for a while is better than none.
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "edge: redis: %s could not be resolved (%i: %s)",
                      host_.c_str(), answer->state, ngx_resolver_strerror(answer->state));
    }
    ngx::guarded<int>(ngx_cycle->log, 0, [&] {
        if (well) take(*answer);
        return 0;
    });
    ngx_resolve_name_done(answer);
    if (resolver_ != nullptr) timer_.arm(well ? static_cast<ngx_msec_t>(valid_for) * 1000 : kAfterFailure);
}

void Addresses::take(const ngx_resolver_ctx_t& answer)
{
    std::vector<Address> now;
    for (ngx_uint_t i = 0; i < answer.naddrs; ++i) now.push_back(with_port(answer.addrs[i], port_));
    if (same_texts(now, known_)) return;
    known_ = std::move(now);
    turn_ = 0;
    changed_(owner_);
}

const Address* Addresses::next() noexcept
{
    return known_.empty() ? nullptr : &known_[turn_++ % known_.size()];
}

bool Addresses::has(std::string_view text) const noexcept
{
    return std::any_of(known_.begin(), known_.end(),
                       [&](const Address& address) { return address.text == text; });
}

}

#include "redis/glue/addresses.hpp"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <string>
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

constexpr ngx_msec_t kAskTimeoutMs = 5'000;
constexpr ngx_msec_t kLeastMs = 1'000;   ///< between questions
constexpr ngx_msec_t kMostMs = 300'000;  ///< however long an answer is said to be valid
constexpr ngx_msec_t kAfterFailureMs = 2'000;

bool same_set(const std::vector<Address>& a, const std::vector<Address>& b) noexcept
{
    const auto contains = [](const std::vector<Address>& all, const Address& one) {
        return std::any_of(all.begin(), all.end(),
                           [&](const Address& other) { return other.text == one.text; });
    };
    return std::all_of(a.begin(), a.end(), [&](const Address& one) { return contains(b, one); }) &&
           std::all_of(b.begin(), b.end(), [&](const Address& one) { return contains(a, one); });
}

}

Addresses::Addresses(const Endpoint& endpoint, const Settings& settings, Changed changed, void* owner)
    : settings_{settings}, url_{endpoint.url}, changed_{changed}, owner_{owner}, known_{endpoint.addresses}
{
    if (auto literal = literal_address(endpoint.url)) {
        known_.assign(1, std::move(*literal));
    } else if (settings.resolver != nullptr) {
        ask();
    }
}

const Address* Addresses::next() noexcept
{
    return known_.empty() ? nullptr : &known_[turn_++ % known_.size()];
}

bool Addresses::has(std::string_view text) const noexcept
{
    return std::any_of(known_.begin(), known_.end(), [=](const Address& one) { return one.text == text; });
}

void Addresses::stop() noexcept
{
    timer_.cancel();
    if (asking_ != nullptr) ngx_resolve_name_done(std::exchange(asking_, nullptr));
}

void Addresses::ask() noexcept
{
    if (ngx_exiting) return;
    timer_.arm(kAfterFailureMs);
    ngx_resolver_ctx_t* ctx = ngx_resolve_start(settings_.resolver, nullptr);
    if (ctx == nullptr || ctx == NGX_NO_RESOLVER) return;
    ctx->name = {url_.host.size(), reinterpret_cast<u_char*>(const_cast<char*>(url_.host.data()))};
    ctx->handler = [](ngx_resolver_ctx_t* answer) noexcept {
        auto* self = static_cast<Addresses*>(answer->data);
        self->asking_ = nullptr;
        ngx::guarded<int>(ngx_cycle->log, 0, [&] {
            self->answered(*answer);
            return 0;
        });
        ngx_resolve_name_done(answer);
    };
    ctx->data = this;
    ctx->timeout = kAskTimeoutMs;
    ctx->cancelable = 1;
    asking_ = ctx;  // the handler may be called from within
    if (ngx_resolve_name(ctx) != NGX_OK) asking_ = nullptr;
}

void Addresses::answered(ngx_resolver_ctx_t& answer)
{
    if (answer.state != 0 || answer.naddrs == 0) {
        const std::string why{ngx_resolver_strerror(answer.state)};
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "edge: redis %s: its name is not resolved: %s",
                      url_.address().c_str(), why.c_str());
        return;  // again when the timer says so
    }
    std::vector<Address> now;
    for (ngx_uint_t i = 0; i < answer.naddrs; ++i) {
        Address& one = now.emplace_back();
        one.length = answer.addrs[i].socklen;
        ngx_memcpy(&one.storage, answer.addrs[i].sockaddr, one.length);
        ngx_inet_set_port(reinterpret_cast<sockaddr*>(&one.storage), url_.port);
        u_char text[NGX_SOCKADDR_STRLEN];
        const std::size_t length =
            ngx_sock_ntop(reinterpret_cast<sockaddr*>(&one.storage), one.length, text, sizeof(text), 1);
        one.text.assign(reinterpret_cast<char*>(text), length);
    }
    const auto valid = static_cast<ngx_msec_int_t>((answer.valid - ngx_time()) * 1000);
    timer_.arm(static_cast<ngx_msec_t>(std::clamp<ngx_msec_int_t>(valid, kLeastMs, kMostMs)));
    if (same_set(known_, now)) return;
    const bool first = known_.empty();
    known_ = std::move(now);
    if (first) return;
    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0, "edge: redis %s: its address is %s now",
                  url_.address().c_str(), known_.front().text.c_str());
    changed_(owner_);
}

}

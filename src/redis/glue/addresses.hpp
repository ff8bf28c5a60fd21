#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "nginx/timer.hpp"
#include "redis/glue/settings.hpp"

namespace edge::redis {

/// The address an URL names when it takes no resolver: of a unix socket or a numeric host.
std::optional<Address> literal_address(const Url& url);

/// The addresses of one node, in turn. A name is asked for again and again where there is a resolver, as
/// often as its answers are valid; while nobody answers, and when the name is gone, those known last stay.
class Addresses {
public:
    /// Called from the event loop when the set has changed.
    using Changed = void (*)(void* owner) noexcept;

    Addresses(const Endpoint& endpoint, const Settings& settings, Changed changed, void* owner);
    ~Addresses() { stop(); }
    Addresses(const Addresses&) = delete;
    Addresses& operator=(const Addresses&) = delete;

    /// nullptr: none is known yet.
    const Address* next() noexcept;
    /// Whether `text` is the text of one of them.
    bool has(std::string_view text) const noexcept;
    /// Asks nobody any more.
    void stop() noexcept;

private:
    void ask() noexcept;
    void answered(ngx_resolver_ctx_t& answer);

    const Settings& settings_;
    const Url& url_;
    const Changed changed_;
    void* const owner_;
    std::vector<Address> known_;
    std::size_t turn_ = 0;
    ngx_resolver_ctx_t* asking_ = nullptr;
    ngx::Timer timer_{[](void* self) noexcept { static_cast<Addresses*>(self)->ask(); }, this};
};

}

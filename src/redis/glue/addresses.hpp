#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nginx/timer.hpp"
#include "redis/glue/settings.hpp"

namespace edge::redis {

/// The address an URL names when it takes no resolver: of a unix socket or a numeric host.
std::optional<Address> literal_address(const Url& url);

/// The addresses of one node, in turn. Those of a name are asked for again when their time is over, where
/// there is a resolver; else they stay what they were when the configuration was read.
class Addresses {
public:
    /// `changed(owner)` is called from the event loop when an address has come or gone, the first ones too.
    Addresses(const Endpoint& endpoint, const Settings& settings, void (*changed)(void* owner) noexcept,
              void* owner);
    ~Addresses();
    Addresses(const Addresses&) = delete;
    Addresses& operator=(const Addresses&) = delete;

    /// nullptr: none is known yet.
    const Address* next() noexcept;
    /// Whether there was no answer yet, good or bad.
    bool is_first_asked() const noexcept { return !answered_ && resolver_ != nullptr; }
    /// Whether this one, by its text, is one of them still.
    bool has(std::string_view text) const noexcept;
    /// No more questions.
    void stop() noexcept;

private:
    void ask() noexcept;
    void answered() noexcept;
    void take(const ngx_resolver_ctx_t& answer);

    const std::string host_;
    const std::uint16_t port_;
    ngx_resolver_t* resolver_;  ///< nullptr: nobody to ask, or nothing to ask for
    void (*changed_)(void* owner) noexcept;
    void* owner_;
    std::vector<Address> known_;
    std::size_t turn_ = 0;
    bool answered_ = false;
    ngx_resolver_ctx_t* asking_ = nullptr;
    ngx::Timer timer_{[](void* self) noexcept { static_cast<Addresses*>(self)->ask(); }, this};
};

}

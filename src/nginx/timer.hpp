#pragma once

#include <cstddef>

#include "nginx/ngx.hpp"

namespace edge::ngx {

/// A timer of the event loop that ends with its owner and keeps no worker from ending.
class Timer {
public:
    using Handler = void (*)(void* owner) noexcept;

    Timer(Handler handler, void* owner) noexcept
    {
        hooks_.handler = handler;
        hooks_.owner = owner;
        hooks_.no_connection.fd = static_cast<ngx_socket_t>(-1);
        hooks_.event.data = &hooks_.no_connection;
        hooks_.event.log = ngx_cycle->log;
        hooks_.event.cancelable = 1;
        hooks_.event.handler = [](ngx_event_t* event) noexcept {
            const Hooks& hooks =
                *reinterpret_cast<Hooks*>(reinterpret_cast<char*>(event) - offsetof(Hooks, event));
            hooks.handler(hooks.owner);
        };
    }
    ~Timer() { cancel(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    /// In so many milliseconds, instead of whenever it was to be.
    void arm(ngx_msec_t delay) noexcept
    {
        cancel();  // nginx leaves a timer alone that moves by less than 300 ms
        ngx_add_timer((&hooks_.event), delay);
    }
    /// Unless it is armed for earlier.
    void arm_at_latest(ngx_msec_t delay) noexcept
    {
        const ngx_msec_t at = ngx_current_msec + delay;
        if (armed() && static_cast<ngx_msec_int_t>(hooks_.event.timer.key - at) <= 0) return;
        arm(delay);
    }
    void cancel() noexcept
    {
        if (armed()) ngx_del_timer((&hooks_.event));
    }
    bool armed() const noexcept { return hooks_.event.timer_set != 0; }

private:
    struct Hooks {
        ngx_event_t event;
        ngx_connection_t no_connection;  // the debug log reads `fd` through a timer's data
        Handler handler;
        void* owner;
    };
    Hooks hooks_{};
};

}

#pragma once

#include "redis/glue/redis_events.hpp"
#include "redis/reply.hpp"

namespace edge::redis {

class Call;
class Node;

/// What became of one command. Valid in the call that hands it over.
struct Answer {
    Failure failure;     ///< none: `reply` is a reply and no error
    const Reply& reply;  ///< error_reply: the error; nil with any other failure
    Node& node;          ///< who was asked

    bool well() const noexcept { return failure == Failure::none; }
};

/// Where a command is on its way. What a Call is tied to; for the rooms' own use.
struct Wait {
    Call* call = nullptr;

    Wait() noexcept = default;
    explicit Wait(Call* waiting) noexcept;
    Wait(Wait&& other) noexcept;
    Wait& operator=(Wait&&) = delete;
    ~Wait();
    /// Unties the two and calls the handler, if anybody still waits. Its last act: *this may be gone then.
    void hand_over(const Answer& answer) noexcept;
};

/// A command under way, as whoever waits for its answer holds it: a member of the object that waits.
///
/// The handler is called once for each send() that returned true, from the event loop and never from within
/// send(); it may send again with the same Call, or destroy it. After cancel(), or in the destructor, it is
/// not called any more; the command itself may still be carried out.
class Call {
public:
    using Handler = void (*)(void* owner, const Answer& answer) noexcept;

    Call(Handler handler, void* owner) noexcept : handler_{handler}, owner_{owner} {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() { cancel(); }

    bool under_way() const noexcept { return wait_ != nullptr; }
    void cancel() noexcept
    {
        if (wait_ != nullptr) wait_->call = nullptr;
        wait_ = nullptr;
    }

private:
    friend struct Wait;
    Handler handler_;
    void* owner_;
    Wait* wait_ = nullptr;
};

inline Wait::Wait(Call* waiting) noexcept : call{waiting}
{
    if (call == nullptr) return;
    call->cancel();
    call->wait_ = this;
}

inline Wait::Wait(Wait&& other) noexcept : call{other.call}
{
    other.call = nullptr;
    if (call != nullptr) call->wait_ = this;
}

inline Wait::~Wait()
{
    if (call != nullptr) call->wait_ = nullptr;
}

inline void Wait::hand_over(const Answer& answer) noexcept
{
    Call* waiting = call;
    call = nullptr;
    if (waiting == nullptr) return;
    waiting->wait_ = nullptr;
    waiting->handler_(waiting->owner_, answer);
}

}

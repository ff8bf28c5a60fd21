#pragma once

#include <string_view>

#include "redis/reply.hpp"

namespace edge::redis::test {

/// Calls `body(const Reply&)` with the first reply that `bytes` hold. False: they hold none.
template <class Body>
bool with_reply(std::string_view bytes, Body&& body)
{
    struct State {
        Body& body;
        bool done = false;
    } state{body};
    ReplyReader reader{[](void* owner, const Reply& reply) noexcept {
                           auto& mine = *static_cast<State*>(owner);
                           if (!mine.done) mine.body(reply);
                           mine.done = true;
                       },
                       &state};
    reader.feed(bytes);
    return state.done;
}

}

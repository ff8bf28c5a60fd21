#pragma once

#include <string>

#include "websocket/frames.hpp"
#include "websocket/output_queue.hpp"

namespace edge::websocket::test {

/// Takes everything that is ready, as a socket that is always writable would.
inline std::string drain(OutputQueue& queue)
{
    std::string out;
    while (queue.ready() > 0) {
        const Bytes front = queue.front();
        out += as_text(front);
        queue.consume(front.size());
    }
    return out;
}

inline MutableBytes bytes_of(std::string& text)
{
    return {reinterpret_cast<Byte*>(text.data()), text.size()};
}

}

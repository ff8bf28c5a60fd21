#include "websocket/glue/websocket_events.hpp"

namespace edge::websocket {

constinit Observer observer{[]() noexcept {}, [](CloseCode) noexcept {}, [](const Flush&) noexcept {},
                            [](const Counts&, const Counts&) noexcept {}};

}

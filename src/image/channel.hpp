#pragma once

#include <optional>

#include "image/protocol.hpp"
#include "image/sealed.hpp"

/// Messages over one non-blocking AF_UNIX SOCK_SEQPACKET socket.
namespace edge::image {

enum class Sent {
    yes,
    full,    ///< nothing was sent: try again when the socket is writable
    broken,  ///< the peer has gone, or the system refused
};

/// One datagram; `attached` goes with it when it is not -1, and stays the caller's. Never blocks, no SIGPIPE.
Sent send(int socket, const Message& message, int attached = -1) noexcept;

struct Received {
    enum class Kind {
        message,
        nothing,    ///< try again when the socket is readable
        malformed,  ///< a datagram that is no message, or without the descriptor it should bring: close the
                    ///< socket
        end,        ///< end of file or an error of the system
    };
    Kind kind = Kind::nothing;
    Message message{};
    Descriptor attached;  ///< close-on-exec; set exactly when has_descriptor(message)
};

Received receive(int socket) noexcept;

/// Two connected ends, non-blocking and close-on-exec.
struct SocketPair {
    Descriptor worker;
    Descriptor supervisor;
};
/// None on error (errno).
std::optional<SocketPair> make_socket_pair() noexcept;

}

#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "image/channel.hpp"

/// One worker's slot as the supervisor sees it.
namespace edge::render {

/// A descriptor that several messages carry; closed with the last one.
using SharedDescriptor = std::shared_ptr<const image::Descriptor>;

/// What is sent to one worker: at once, or in order as soon as its socket takes it again.
class WorkerLink {
public:
    /// Watches the socket with `epoll`, with `slot` as data.
    WorkerLink(int socket, int epoll, std::uint32_t slot) noexcept;

    int socket() const noexcept { return socket_.get(); }
    bool is_open() const noexcept { return static_cast<bool>(socket_); }
    void send(const image::Message& message, const SharedDescriptor& attached = nullptr);
    void on_writable();
    void close() noexcept;

private:
    struct Outgoing {
        image::Message message;
        SharedDescriptor attached;
    };
    image::Sent try_send(const image::Message& message, const SharedDescriptor& attached) noexcept;
    void watch(int operation, std::uint32_t events) noexcept;

    image::Descriptor socket_;
    int epoll_;
    std::uint32_t slot_;
    std::deque<Outgoing> outgoing_;
};

}

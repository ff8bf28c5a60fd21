#include "image/channel.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace edge::image {

namespace {

// Room for two: a peer that sends more than one descriptor is caught, and none of them stays open.
constexpr std::size_t kDescriptors = 2;

}

Sent send(int socket, const Message& message, int attached) noexcept
{
    const EncodedMessage encoded = encode(message);
    iovec part{const_cast<std::byte*>(encoded.bytes().data()), encoded.bytes().size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (attached >= 0) {
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(rights), &attached, sizeof attached);
    }
    for (;;) {
        if (::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return Sent::yes;
        if (errno == EINTR) continue;
        const bool full =
            errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == ETOOMANYREFS;
        return full ? Sent::full : Sent::broken;
    }
}

Received receive(int socket) noexcept
{
    Received result;
    // One byte more than any message, so that a longer datagram is not taken for one.
    std::array<std::byte, kMaxMessage + 1> bytes;
    iovec part{bytes.data(), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(kDescriptors * sizeof(int))]{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t size = 0;
    do size = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (size < 0 && errno == EINTR);
    if (size < 0) {
        const bool empty = errno == EAGAIN || errno == EWOULDBLOCK;
        result.kind = empty ? Received::Kind::nothing : Received::Kind::end;
        return result;
    }
    std::size_t count = 0;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < n; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            result.attached.reset(fd);
            ++count;
        }
    }
    // No message is empty: this is the end of file.
    if (size == 0 && count == 0) {
        result.kind = Received::Kind::end;
        return result;
    }
    const auto message = decode({bytes.data(), static_cast<std::size_t>(size)});
    if (!message || (header.msg_flags & MSG_CTRUNC) != 0 || count != (has_descriptor(*message) ? 1U : 0U)) {
        result.kind = Received::Kind::malformed;
        result.attached.reset();
        return result;
    }
    result.kind = Received::Kind::message;
    result.message = *message;
    return result;
}

std::optional<SocketPair> make_socket_pair() noexcept
{
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return std::nullopt;
    return SocketPair{Descriptor{ends[0]}, Descriptor{ends[1]}};
}

}

#include "render/process/worker_link.hpp"

#include <fcntl.h>
#include <sys/epoll.h>

namespace edge::render {

namespace {

// A worker that reads nothing any more; its results would hold memory for ever.
constexpr std::size_t kMostOutgoing = 4096;

}

WorkerLink::WorkerLink(int socket, int epoll, std::uint32_t slot) noexcept
    : socket_{socket}, epoll_{epoll}, slot_{slot}
{
    // As it came from exec.
    ::fcntl(socket, F_SETFD, FD_CLOEXEC);
    ::fcntl(socket, F_SETFL, O_RDWR | O_NONBLOCK);
    watch(EPOLL_CTL_ADD, EPOLLIN);
}

void WorkerLink::watch(int operation, std::uint32_t events) noexcept
{
    epoll_event event{};
    event.events = events;
    event.data.u64 = slot_;
    ::epoll_ctl(epoll_, operation, socket_.get(), &event);
}

image::Sent WorkerLink::try_send(const image::Message& message, const SharedDescriptor& attached) noexcept
{
    return image::send(socket_.get(), message, attached ? attached->get() : -1);
}

void WorkerLink::send(const image::Message& message, const SharedDescriptor& attached)
{
    if (!socket_) return;
    if (outgoing_.empty()) {
        switch (try_send(message, attached)) {
            case image::Sent::yes:
                return;
            case image::Sent::broken:
                close();
                return;
            case image::Sent::full:
                watch(EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
        }
    }
    if (outgoing_.size() >= kMostOutgoing)
        close();
    else
        outgoing_.push_back({message, attached});
}

void WorkerLink::on_writable()
{
    while (socket_ && !outgoing_.empty()) {
        switch (try_send(outgoing_.front().message, outgoing_.front().attached)) {
            case image::Sent::yes:
                outgoing_.pop_front();
                break;
            case image::Sent::broken:
                close();
                return;
            case image::Sent::full:
                return;
        }
    }
    if (socket_) watch(EPOLL_CTL_MOD, EPOLLIN);
}

void WorkerLink::close() noexcept
{
    socket_.reset();
    outgoing_.clear();
}

}

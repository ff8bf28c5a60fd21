#include "nginx/wakeup.hpp"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <new>

namespace edge::ngx {

namespace {

/// Shared by all processes of the master.
struct Slot {
    std::atomic<std::int32_t> owner;  ///< process id; 0: nobody
    std::atomic<std::uint32_t> rung;  ///< the eventfd was written and not yet read: no need to write it again
};

Slot* slots = nullptr;
unsigned count = 0;
int descriptors[kMostWakeups];

unsigned own = kMostWakeups;
ngx_connection_t* connection = nullptr;
ngx_event_t myself;              // wakes this very worker without the kernel
ngx_connection_t no_connection;  // the debug log reads an event's `data` as one
void (*listeners[4])() noexcept = {};

void on_wake() noexcept
{
    for (auto* listener : listeners) {
        if (listener != nullptr) listener();
    }
}

void on_readable(ngx_event_t* event) noexcept
{
    std::uint64_t times = 0;
    // In this order: a write between the two would be read away, and the bell look rung for ever.
    static_cast<void>(!::read(descriptors[own], &times, sizeof(times)));
    slots[own].rung.store(0, std::memory_order_seq_cst);
    if (ngx_handle_read_event(event, 0) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, event->log, 0, "edge: this worker can't be woken any more");
    }
    on_wake();
}

bool is_gone(std::int32_t process) noexcept
{
    return ::kill(process, 0) == -1 && errno == ESRCH;
}

}

bool make_wakeups(ngx_cycle_t* cycle) noexcept
{
    if (slots != nullptr || ngx_test_config) return true;
    // Reloads overlap generations of workers; later configurations may ask for more of them.
    const auto* core = reinterpret_cast<ngx_core_conf_t*>(ngx_get_conf(cycle->conf_ctx, ngx_core_module));
    const auto workers = static_cast<unsigned>(std::max<ngx_int_t>(core->worker_processes, 1));
    const unsigned wanted = std::min(std::max(4 * workers, 32U), kMostWakeups);
    void* memory =
        mmap(nullptr, sizeof(Slot) * kMostWakeups, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno, "edge: no memory for the wake-ups of workers");
        return false;
    }
    slots = static_cast<Slot*>(memory);
    while (count < wanted) {
        const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd == -1) {
            ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno, "edge: only %ui of %ui workers can be woken",
                          static_cast<ngx_uint_t>(count), static_cast<ngx_uint_t>(wanted));
            break;
        }
        ::new (&slots[count]) Slot{};
        descriptors[count++] = fd;
    }
    return count != 0;
}

void listen_for_wakeups(void (*woken)() noexcept) noexcept
{
    for (auto*& listener : listeners) {
        if (listener == nullptr) {
            listener = woken;
            return;
        }
    }
}

unsigned claim_wakeup(ngx_cycle_t* cycle) noexcept
{
    no_connection.fd = static_cast<ngx_socket_t>(-1);
    myself.data = &no_connection;
    myself.log = cycle->log;
    myself.handler = [](ngx_event_t*) noexcept { on_wake(); };
    for (unsigned i = 0; i < count && own == kMostWakeups; ++i) {
        std::int32_t owner = slots[i].owner.load();
        if ((owner == 0 || is_gone(owner)) && slots[i].owner.compare_exchange_strong(owner, ngx_pid)) own = i;
    }
    if (own == kMostWakeups) return own;
    slots[own].rung.store(0);
    connection = ngx_get_connection(descriptors[own], cycle->log);
    if (connection == nullptr) {
        release_wakeup();
        return own;
    }
    connection->read->handler = on_readable;
    connection->read->log = cycle->log;
    connection->read->channel = 1;  // no client's: not one of the sockets that nginx misses at the end
    if (ngx_handle_read_event(connection->read, 0) != NGX_OK) release_wakeup();
    return own;
}

void release_wakeup() noexcept
{
    if (connection != nullptr) ngx_close_connection(connection);
    connection = nullptr;
    if (myself.posted) {
        ngx_delete_posted_event((&myself));
    }
    if (own != kMostWakeups) slots[own].owner.store(0);
    own = kMostWakeups;
}

void wake(unsigned slot) noexcept
{
    if (slot == own) {
        if (slot != kMostWakeups) {
            ngx_post_event((&myself), &ngx_posted_events);  // several statements
        }
        return;
    }
    if (slot >= count || slots[slot].rung.exchange(1, std::memory_order_seq_cst) != 0) return;
    const std::uint64_t once = 1;
    static_cast<void>(!::write(descriptors[slot], &once, sizeof(once)));
}

}

#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "image/protocol.hpp"

/// Which job a free render process does next; the whole of the supervisor's decisions, without its processes.
namespace edge::render {

/// Somebody who waits for a result: a worker's slot and the id it chose.
struct Waiter {
    std::uint32_t slot = 0;
    image::JobId id = 0;

    friend auto operator<=>(const Waiter&, const Waiter&) = default;
};

/// A render, queued or running; the number is never used twice.
using WorkId = std::uint64_t;

/// Microseconds a render will take, roughly: tells a thumbnail of a small JPEG from an AVIF of a large PNG.
std::uint64_t estimate_cost_us(const image::Job& job, image::Format source,
                               std::uint64_t source_bytes) noexcept;

/// Shape:  one object in the supervisor; owns no descriptor, knows no process.
/// Units:  now_ms, Submit::deadline_ms: milliseconds of one monotonic clock.
/// Order:  interactive before prewarm. Within one priority the render that comes first is the one with the
///         least (time of arrival + kPatience × its cost): short ones go first, and nobody waits behind what
///         came later than kPatience times his own cost. prewarm may use all processes but one.
/// Limits: `queue` renders wait at most (joiners do not count); a full queue refuses, unless an interactive
///         one comes and a prewarm one waits, which is then refused instead.
/// Errors: none, total for all inputs but for std::bad_alloc.
class Scheduler {
public:
    static constexpr std::uint64_t kPatience = 4;

    Scheduler(std::size_t processes, std::size_t queue) noexcept : processes_{processes}, limit_{queue} {}

    enum class Admission : std::uint8_t {
        queued,     ///< a render of its own: `work`
        joined,     ///< waits for `work`, which is the same job on the same bytes
        full,       ///< not taken
        duplicate,  ///< this waiter waits already; not taken
    };
    struct Admitted {
        Admission admission = Admission::full;
        WorkId work = 0;
        /// Refused with queue_full to make room: whoever waited for it, and its number.
        std::vector<Waiter> displaced;
        WorkId displaced_work = 0;
    };
    /// `source_bytes`: the size of the source; jobs with equal keys are the same only when it is equal too.
    Admitted submit(Waiter waiter, const image::Submit& submit, std::uint64_t source_bytes,
                    std::uint64_t cost_us, std::uint64_t now_ms);

    /// The render to start on a free process; running from now on. Nothing when none may start.
    std::optional<WorkId> start_next(std::uint64_t now_ms);

    struct Expired {
        Waiter waiter;
        std::uint64_t waited_ms = 0;
    };
    /// Those in the queue whose deadline has passed; they wait no more. `gone`: renders that nobody waits for
    /// now; they are dropped.
    std::vector<Expired> expire(std::uint64_t now_ms, std::vector<WorkId>& gone);
    /// When expire() has something to do again at the earliest.
    std::optional<std::uint64_t> next_deadline() const noexcept;

    struct Left {
        bool known = false;               ///< he did wait
        std::optional<WorkId> dropped;    ///< queued, and nobody waits for it: it is no more
        std::optional<WorkId> abandoned;  ///< running, and nobody waits for it: kill it, or let it end
    };
    Left cancel(Waiter waiter);
    /// A worker has gone with all it waits for.
    std::vector<Left> cancel_slot(std::uint32_t slot);

    /// The render has ended, however; those who waited for it, the one whose Submit it was first if he still
    /// waits.
    std::vector<Waiter> finish(WorkId work);

    bool is_abandoned(WorkId work) const noexcept;
    std::size_t queued(image::Priority priority) const noexcept;
    std::size_t running() const noexcept { return running_; }
    /// Both 0 for unknown numbers: how long it has waited, or did wait, in the queue.
    std::uint64_t waited_ms(WorkId work, std::uint64_t now_ms) const noexcept;

private:
    using Key = std::array<std::uint8_t, 16>;
    struct WaiterState {
        std::uint64_t deadline_ms;
        std::uint64_t since_ms;
    };
    struct Work {
        image::Job job;
        Key key;
        std::uint64_t source_bytes;
        image::Priority priority;
        std::uint64_t cost_us;
        std::uint64_t arrived_ms;
        std::uint64_t started_ms = 0;
        bool running = false;
        std::vector<Waiter> waiters;
    };
    struct Place {
        image::Priority priority;
        std::uint64_t rank;
        WorkId work;
        friend auto operator<=>(const Place&, const Place&) = default;
    };
    struct Deadline {
        std::uint64_t at_ms;
        Waiter waiter;
        friend auto operator<=>(const Deadline&, const Deadline&) = default;
    };
    static Place place_of(WorkId id, const Work& work) noexcept;
    WorkId* same_as(const image::Submit& submit, std::uint64_t source_bytes);
    void raise(WorkId id, image::Priority priority);
    void forget(WorkId id);

    std::size_t processes_;
    std::size_t limit_;
    std::size_t running_ = 0;
    std::size_t running_prewarm_ = 0;
    WorkId last_ = 0;
    std::unordered_map<WorkId, Work> works_;
    std::map<Waiter, std::pair<WorkId, WaiterState>> waiters_;
    std::map<Key, WorkId> by_key_;
    std::set<Place> queue_;
    std::set<Deadline> deadlines_;  ///< of those in the queue
    std::size_t queued_[2]{};
};

}

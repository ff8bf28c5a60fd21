#include "image/glue/image_events.hpp"
#include "module/conf.hpp"

/// What the image room reports, put into the status room's counters.
namespace edge::module {

namespace {

using image::Event;
using image::Reason;
using status::Counter;

constinit status::Counters* counters = nullptr;
constinit image::Stats last{};

template <class Enum>
constexpr Counter offset(Counter first, Enum value, Enum zero) noexcept
{
    return static_cast<Counter>(static_cast<unsigned>(first) + static_cast<unsigned>(value) -
                                static_cast<unsigned>(zero));
}

static_assert(offset(Counter::image_rendered, Event::cancelled, Event::rendered) == Counter::image_cancelled);
static_assert(offset(Counter::image_refused_not_an_image, Reason::unavailable, Reason::not_an_image) ==
              Counter::image_refused_unavailable);
static_assert(offset(Counter::image_renders_jpeg, image::Format::avif, image::Format::jpeg) ==
              Counter::image_renders_avif);

void happened(Event what) noexcept
{
    counters->add(offset(Counter::image_rendered, what, Event::rendered));
}

void rendered(const image::Done& done, std::uint64_t source_bytes) noexcept
{
    counters->add(Counter::image_source_bytes, source_bytes);
    counters->add(Counter::image_result_bytes, done.original ? source_bytes : done.bytes);
    if (done.shared) return;  // once is enough
    if (!done.original) counters->add(offset(Counter::image_renders_jpeg, done.format, image::Format::jpeg));
    counters->record(status::Timer::image_queue, done.queue_us);
    counters->record(status::Timer::image_render, done.render_us);
}

void refused(Reason reason) noexcept
{
    counters->add(offset(Counter::image_refused_not_an_image, reason, Reason::not_an_image));
}

void supervisor_started() noexcept
{
    counters->add(Counter::image_supervisors_started);
}

void set_level(Counter level, std::uint64_t before, std::uint64_t now) noexcept
{
    if (now > before) counters->add(level, now - before);
    if (now < before) counters->subtract(level, before - now);
}

/// A supervisor counts from its own start.
void grown(Counter total, std::uint64_t before, std::uint64_t now) noexcept
{
    const std::uint64_t since = now >= before ? now - before : now;
    if (since != 0) counters->add(total, since);
}

void stats(const image::Stats& now) noexcept
{
    set_level(Counter::image_waiting_interactive, last.queued_interactive, now.queued_interactive);
    set_level(Counter::image_waiting_prewarm, last.queued_prewarm, now.queued_prewarm);
    set_level(Counter::image_processes_all, last.processes, now.processes);
    set_level(Counter::image_processes_busy, last.running, now.running);
    grown(Counter::image_processes_crashed, last.crashed, now.crashed);
    grown(Counter::image_processes_killed, last.killed, now.killed);
    grown(Counter::image_processes_recycled, last.recycled, now.recycled);
    last = now;
}

}

void count_images(status::Counters& where) noexcept
{
    counters = &where;
    last = {};
    image::observer = {happened, rendered, refused, supervisor_started, stats};
}

}

#pragma once

#include "image/glue/render_generation.hpp"
#include "image/protocol.hpp"

/// A worker's end of the socket to the supervisor.
namespace edge::image {

/// Who waits for a job's answer. Exactly one of the two functions is called, once, from the event loop,
/// unless the job is cancelled. May not throw.
struct Waiting {
    void (*done)(void* data, const Done& done, Descriptor result) noexcept;
    void (*refused)(void* data, Reason reason) noexcept;
    void* data;
};

/// In a worker that starts. `number`: ngx_worker. Both must outlive the worker's use of this.
void start_render_client(const RenderGeneration& generation, const ProcessSettings& settings,
                         ngx_cycle_t* cycle);
void stop_render_client() noexcept;

/// Hands a sealed memfd and a job to the supervisor; `source` stays the caller's. The id is for cancel(); 0:
/// nothing was sent, and `waiting` is not called. Throws std::bad_alloc.
JobId submit(Submit job, int source, const Waiting& waiting);
/// Whoever waited does no longer. Unknown ids are ignored.
void cancel(JobId id) noexcept;
/// Closes a memfd; a large one, if it was the last hold of it, not at this worker's expense.
void discard(Descriptor file) noexcept;

}

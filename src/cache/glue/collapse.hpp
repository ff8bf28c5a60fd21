#pragma once

#include "cache/flight_table.hpp"
#include "cache/glue/request.hpp"

/// Requests for the same thing at the same time: one asks the origin, the others wait for its header, for a
/// bounded time, and then follow its body as it grows in the zone.
namespace edge::cache {

/// In a worker that starts. `memory`: a usable FlightTable; nullptr: nobody follows anybody. `slot`: where
/// this worker can be woken.
void start_collapse(void* memory, unsigned slot);
void stop_collapse() noexcept;

/// Instead of forward(): alone, as a flight's leader (both of which ask Redis first), or, with NGX_AGAIN or
/// NGX_DONE, as its follower.
ngx_int_t ask_origin(Request& q);
/// For a detached request: leads the flight for its key if nobody does. false: somebody does, or the key was
/// refused.
bool lead_alone(Request& q) noexcept;
/// The phase handler again, after a wait.
ngx_int_t after_wait(Request& q);

// What the leader of a flight says; none of them does anything for a request that leads none.
/// Its fill has begun: the others may follow it, if they may use what comes at all.
void announce_fill(Request& q, const Lifetime& lifetime);
/// There is more of the body.
void announce_progress(Request& q) noexcept;
/// What was asked for is in the zone now, or is cut short.
void end_flight(Request& q) noexcept;
/// The answer is no good for others, for a while; `briefly`: it says nothing of the next one, as the origin
/// failed or what it said was at its end already.
void refuse_followers(Request& q, bool briefly) noexcept;
/// Whether others wait for what it asked for.
bool is_followed(const Request& q) noexcept;
/// The request ends without an answer.
void abandon_flight(Request& q) noexcept;

}

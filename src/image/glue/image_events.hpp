#pragma once

#include <cstdint>

#include "image/job.hpp"
#include "image/protocol.hpp"

namespace edge::image {

/// What became of a request that the edge was to make a picture for.
enum class Event : std::uint8_t {
    rendered,       ///< a picture was made and goes out
    original,       ///< the source itself was the best answer
    passed,         ///< the source is no picture, says no-transform, or came with an error
    fallback,       ///< it could not be made: the source goes out
    failed,         ///< it could not be made: an error goes out
    not_modified,   ///< the source has not changed since
    bad_argument,   ///< 400
    bad_signature,  ///< 403
    cancelled,      ///< the client went before there was anything
};

/// What the images tell whoever counts. Called from the request path: must be quick and must not throw.
struct Observer {
    void (*happened)(Event what) noexcept;
    void (*rendered)(const Done& done, std::uint64_t source_bytes) noexcept;
    void (*refused)(Reason reason) noexcept;
    void (*supervisor_started)() noexcept;
    void (*stats)(const Stats& now) noexcept;
};

/// Set once, by the module room, before the first request; no member is ever nullptr.
extern constinit Observer observer;

}

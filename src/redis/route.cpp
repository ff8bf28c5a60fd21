#include "redis/route.hpp"

namespace edge::redis {

namespace {

using To = Step::To;

/// Another copy, when any will do.
To other_copy(const Journey& journey) noexcept
{
    if (!journey.reads || !journey.replicas) return To::caller;
    return journey.at_replica ? To::master : To::replica;
}

Step bounded(Step step, const Journey& journey) noexcept
{
    if (journey.hops >= kMostHops) step.to = To::caller;
    return step;
}

}

Step after_refusal(const Refusal& refusal, const Journey& journey) noexcept
{
    using Kind = Refusal::Kind;
    switch (refusal.kind) {
        case Kind::moved:
            return bounded({To::address, true}, journey);
        case Kind::ask:
            return bounded({To::asking, false}, journey);
        // Several keys at both ends of a move: only waiting would help, and nobody here waits for a cache.
        case Kind::try_again:
            return {To::caller, false};
        case Kind::cluster_down:
            return bounded({other_copy(journey), true}, journey);
        case Kind::loading:
            return bounded({other_copy(journey), true}, journey);
        case Kind::master_down:
            return bounded({other_copy(journey), true}, journey);
        case Kind::read_only:
            return {To::caller, true};
        case Kind::other:
            return {To::caller, false};
    }
    return {To::caller, false};
}

Step after_loss(const Journey& journey) noexcept
{
    return bounded({other_copy(journey), true}, journey);
}

}

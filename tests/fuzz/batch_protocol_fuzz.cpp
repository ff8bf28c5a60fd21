#include "fuzz/input.hpp"
#include "websocket/batch_entries.hpp"
#include "websocket/batch_protocol.hpp"

using namespace edge;
using namespace edge::fuzz;
using namespace edge::websocket;

/// Any bytes as a client's subprotocols and as what the app chose of them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    Copies copies;
    MemoryCount memory;
    Buffer packed{CountedAllocator<Byte>{memory}};
    std::vector<test::BatchEntry> entries;
    for (int left = input.byte() % 4; left > 0; --left) {
        entries.push_back({input.flag(), std::string(input.byte() * 70U, 'x')});
        append_batch_entry(packed, entries.back().binary, as_bytes(entries.back().payload));
    }
    FUZZ_CHECK(test::read_batch(as_text(packed)) == entries);

    const std::string_view value = copies(input.rest());
    const ProtocolOffer offer{value};
    // What the app sees has nothing more for the edge, unless it was an offer within an offer.
    const ProtocolOffer rest{copies(offer.for_upstream())};
    if (value.find("+edge.batch.v1") == std::string_view::npos && offer.for_edge()) {
        FUZZ_CHECK(!rest.for_edge());
        FUZZ_CHECK(rest.for_upstream() == offer.for_upstream());
    }
    if (!offer.for_edge()) FUZZ_CHECK(!offer.answer("") && !offer.answer(value));
    if (const auto answer = offer.answer("")) FUZZ_CHECK(*answer == kBatchProtocol);
    return 0;
}

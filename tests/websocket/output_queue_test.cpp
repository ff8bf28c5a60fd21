#include "websocket/output_queue.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "websocket/frames.hpp"

namespace edge::websocket {

BOOST_AUTO_TEST_SUITE(websocket_output_queue)

BOOST_AUTO_TEST_CASE(only_what_was_made_ready_is_handed_out)
{
    MemoryCount memory;
    OutputQueue queue{memory};
    queue.append(as_bytes("abc"));
    BOOST_TEST(queue.ready() == 0u);
    BOOST_TEST(queue.front().empty());
    queue.make_ready();
    queue.append(as_bytes("held"));
    BOOST_TEST(as_text(queue.front()) == "abc");
    queue.consume(2);
    BOOST_TEST(as_text(queue.front()) == "c");
    BOOST_TEST(queue.size() == 5u);
    BOOST_TEST(queue.ready() == 1u);
}

BOOST_AUTO_TEST_CASE(bytes_handed_out_stay_in_place_while_others_are_appended)
{
    MemoryCount memory;
    OutputQueue queue{memory};
    queue.append(as_bytes("first"));
    queue.make_ready();
    const Bytes front = queue.front();
    for (int i = 0; i < 1000; ++i) queue.append(as_bytes(std::string(100, 'x')));
    BOOST_TEST(queue.front().data() == front.data());
    BOOST_TEST(as_text(front) == "first");
}

BOOST_AUTO_TEST_CASE(memory_is_counted_and_an_empty_queue_holds_none_after_trim)
{
    MemoryCount memory;
    {
        OutputQueue queue{memory};
        BOOST_TEST(memory.bytes == 0u);
        queue.append(as_bytes("x"));
        BOOST_TEST(memory.bytes == 1024u);
        queue.append(as_bytes(std::string(100000, 'x')));
        BOOST_TEST(memory.bytes >= 100001u);
        BOOST_TEST(memory.bytes < 130000u);
        queue.trim();
        BOOST_TEST(queue.size() == 100001u);
        queue.make_ready();
        queue.consume(100001);
        BOOST_TEST(memory.bytes <= 16384u);
        queue.trim();
        BOOST_TEST(memory.bytes == 0u);
        queue.append(as_bytes("again"));
        BOOST_TEST(queue.size() == 5u);
    }
    BOOST_TEST(memory.bytes == 0u);
}

BOOST_AUTO_TEST_CASE(a_batch_of_up_to_a_record_lies_together_even_behind_the_rest_of_another)
{
    MemoryCount memory;
    OutputQueue queue{memory};
    std::string in;
    for (int round = 0; round < 50; ++round) {
        while (in.size() < 12000) {
            const std::string piece(100 + in.size() % 700, static_cast<char>('a' + round % 26));
            queue.append(as_bytes(piece));
            in += piece;
        }
        const std::size_t leaving = in.size() - 300;
        queue.make_ready(leaving);
        BOOST_TEST(queue.front().size() == leaving);
        BOOST_TEST((as_text(queue.front()) == in.substr(0, leaving)));
        queue.consume(leaving);
        in.erase(0, leaving);
    }
    BOOST_TEST(memory.bytes == 16384u);
}

BOOST_AUTO_TEST_CASE(what_goes_in_comes_out_in_order_however_it_is_written)
{
    std::mt19937 random{7};
    MemoryCount memory;
    OutputQueue queue{memory};
    std::string in, out;
    for (int round = 0; round < 2000; ++round) {
        std::string piece(random() % 3 == 0 ? random() % 30000 : random() % 50, '\0');
        for (char& c : piece) c = static_cast<char>(random());
        in += piece;
        const std::uint64_t offset = random();
        if (round % 2 == 0) {
            queue.append(as_bytes(piece));
        } else {
            apply_mask({reinterpret_cast<Byte*>(piece.data()), piece.size()}, test::kMask, offset);
            queue.append_masked(as_bytes(piece), test::kMask, offset);
        }
        if (random() % 4 != 0) queue.make_ready();
        Bytes spans[4];
        const std::size_t count = queue.gather(spans);
        std::size_t wanted = random() % 20000, written = 0;
        for (std::size_t i = 0; i < count && wanted > 0; ++i) {
            const Bytes part = spans[i].first(std::min(wanted, spans[i].size()));
            out += as_text(part);
            written += part.size();
            wanted -= part.size();
        }
        BOOST_REQUIRE(written <= queue.ready());
        queue.consume(written);
    }
    queue.make_ready();
    while (queue.ready() > 0) {
        out += as_text(queue.front());
        queue.consume(queue.front().size());
    }
    BOOST_TEST((in == out));
    BOOST_TEST(queue.size() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}

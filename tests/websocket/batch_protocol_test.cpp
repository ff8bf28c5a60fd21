#include "websocket/batch_protocol.hpp"

#include <boost/test/unit_test.hpp>

#include "websocket/batch_entries.hpp"

namespace edge::websocket {

BOOST_AUTO_TEST_SUITE(websocket_batch_protocol)

BOOST_AUTO_TEST_CASE(entries_are_a_number_and_their_bytes)
{
    MemoryCount memory;
    Buffer out{CountedAllocator<Byte>{memory}};
    append_batch_entry(out, false, as_bytes("ab"));
    append_batch_entry(out, true, as_bytes(""));
    append_batch_entry(out, true, as_bytes(std::string(32, 'x')));
    BOOST_TEST((std::string{as_text(out)} == "\x08\x61\x62\x01\x81\x01" + std::string(32, 'x')));
}

BOOST_AUTO_TEST_CASE(entries_of_all_sizes_are_read_as_they_were)
{
    MemoryCount memory;
    Buffer out{CountedAllocator<Byte>{memory}};
    std::vector<test::BatchEntry> entries;
    for (const std::size_t size : {0, 1, 31, 32, 4095, 4096, 65535, 524287, 524288}) {
        entries.push_back({size % 2 == 1, std::string(size, static_cast<char>('a' + size % 26))});
        append_batch_entry(out, size % 2 == 1, as_bytes(entries.back().payload));
    }
    BOOST_TEST((test::read_batch(as_text(out)) == entries));
}

BOOST_AUTO_TEST_CASE(the_app_sees_only_its_own_subprotocols_each_once)
{
    const auto seen = [](std::string_view offer) { return ProtocolOffer{offer}.for_upstream(); };
    BOOST_TEST(seen("edge.batch.v1") == "");
    BOOST_TEST(seen("edge.batch.v1, chat") == "chat");
    BOOST_TEST(seen("edge.batch.v1+chat, chat,news , edge.batch.v1+old") == "chat, news, old");
    BOOST_TEST(seen("") == "");
}

BOOST_AUTO_TEST_CASE(the_answer_is_what_the_client_offered_for_what_the_app_chose)
{
    const ProtocolOffer offer{"edge.batch.v1+chat, chat, news, edge.batch.v1"};
    BOOST_TEST(offer.for_edge());
    BOOST_TEST(offer.answer("").value() == "edge.batch.v1");
    BOOST_TEST(offer.answer("chat").value() == "edge.batch.v1+chat");
    BOOST_TEST(!offer.answer("news").has_value());
    BOOST_TEST(!offer.answer("edge.batch.v1").has_value());
    BOOST_TEST(!ProtocolOffer{"edge.batch.v1+chat"}.answer("").has_value());
    BOOST_TEST(!ProtocolOffer{"chat"}.answer("chat").has_value());
}

BOOST_AUTO_TEST_CASE(names_that_only_look_alike_are_the_apps)
{
    for (const std::string_view offer :
         {"edge.batch.v10", "edge.batch.v1+", "edge.batch", "Edge.Batch.V1", "edge.batch.v1+ chat"}) {
        BOOST_TEST(!ProtocolOffer{offer}.for_edge());
        BOOST_TEST(ProtocolOffer{offer}.for_upstream() == offer);
    }
}

BOOST_AUTO_TEST_CASE(an_offer_of_more_than_64_is_not_looked_at)
{
    std::string offer = "edge.batch.v1, edge.batch.v1+a";
    for (int i = 0; i < 62; ++i) offer += ", p" + std::to_string(i);
    BOOST_TEST(ProtocolOffer{offer}.for_edge());
    offer += ", one-more";
    BOOST_TEST(!ProtocolOffer{offer}.for_edge());
    BOOST_TEST(ProtocolOffer{offer}.for_upstream() == offer);
}

BOOST_AUTO_TEST_SUITE_END()

}

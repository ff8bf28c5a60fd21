#include "websocket/segments.hpp"

#include <boost/test/unit_test.hpp>

namespace edge::websocket {

BOOST_AUTO_TEST_SUITE(websocket_segments)

BOOST_AUTO_TEST_CASE(bytes_over_plain_tcp_are_whole_by_multiples_of_a_segment)
{
    const Segments segments{1448, 0};
    BOOST_TEST(segments.whole(0) == 0u);
    BOOST_TEST(segments.whole(1447) == 0u);
    BOOST_TEST(segments.whole(1448) == 1448u);
    BOOST_TEST(segments.whole(4600) == 4344u);
    BOOST_TEST(segments.whole(100 * 1448 + 5) == 100u * 1448);
}

BOOST_AUTO_TEST_CASE(a_record_and_what_tls_adds_to_it_fill_segments)
{
    const Segments segments{1448, 29};
    BOOST_TEST(segments.whole(1418) == 0u);
    BOOST_TEST(segments.whole(1419) == 1419u);
    BOOST_TEST(segments.whole(4600) == 4344u - 29);
    BOOST_TEST((segments.record() + 29) % 1448 == 0u);
    BOOST_TEST(segments.record() <= 16384u);
    BOOST_TEST(segments.record() + 1448 > 16384u);
}

BOOST_AUTO_TEST_CASE(each_record_of_many_has_its_overhead)
{
    const Segments segments{1448, 29};
    const std::uint64_t record = segments.record();
    BOOST_TEST(segments.whole(3 * record + 1418) == 3 * record);
    BOOST_TEST(segments.whole(3 * record + 1419) == 3 * record + 1419);
    BOOST_TEST(segments.whole(4 * record) == 4 * record);
}

BOOST_AUTO_TEST_CASE(what_is_whole_never_shrinks_as_bytes_are_added_and_lacks_less_than_a_segment)
{
    for (const Segments& segments : {Segments{1448, 0}, Segments{1448, 29}, Segments{536, 29}}) {
        std::uint64_t before = 0;
        for (std::uint64_t bytes = 0; bytes < 70000; ++bytes) {
            const std::uint64_t whole = segments.whole(bytes);
            BOOST_REQUIRE(whole >= before);
            BOOST_REQUIRE(whole <= bytes);
            BOOST_REQUIRE(bytes - whole < 1448);
            before = whole;
        }
    }
}

BOOST_AUTO_TEST_CASE(without_a_size_or_with_one_too_large_or_too_small_nothing_is_whole)
{
    BOOST_TEST(Segments{}.whole(1000000) == 0u);
    BOOST_TEST(Segments{}.record() == 16384u);
    BOOST_TEST((Segments{29, 29}.whole(1000000)) == 0u);
    const Segments loopback{65483, 29};
    BOOST_TEST(loopback.whole(65000) == 0u);
    BOOST_TEST(loopback.record() == 16384u);
}

BOOST_AUTO_TEST_SUITE_END()

}

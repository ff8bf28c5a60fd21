#include "image/refusals.hpp"

#include <boost/test/unit_test.hpp>

using namespace edge::image;

namespace {

Refusals::Key key(std::uint16_t n)
{
    Refusals::Key key{};
    key[0] = static_cast<std::uint8_t>(n);
    key[1] = static_cast<std::uint8_t>(n >> 8);
    return key;
}

}

BOOST_AUTO_TEST_SUITE(image_refusals)

BOOST_AUTO_TEST_CASE(a_refusal_holds_for_a_while)
{
    Refusals refusals;
    BOOST_TEST(!refusals.find(key(1), 1000));
    refusals.remember(key(1), Reason::timeout, 1000);
    BOOST_CHECK(refusals.find(key(1), 1000 + Refusals::kFor - 1) == Reason::timeout);
    BOOST_TEST(!refusals.find(key(1), 1000 + Refusals::kFor));
    BOOST_TEST(!refusals.find(key(2), 1000));
}

BOOST_AUTO_TEST_CASE(a_crash_is_believed_the_second_time)
{
    Refusals refusals;
    refusals.remember(key(1), Reason::crashed, 1000);
    BOOST_TEST(!refusals.find(key(1), 1001));
    refusals.remember(key(1), Reason::crashed, 1000 + Refusals::kFor);
    BOOST_TEST(!refusals.find(key(1), 1001 + Refusals::kFor));
    refusals.remember(key(1), Reason::out_of_memory, 1002 + Refusals::kFor);
    BOOST_CHECK(refusals.find(key(1), 1003 + Refusals::kFor) == Reason::out_of_memory);
    BOOST_TEST(!refusals.find(key(1), 1002 + 2 * Refusals::kFor));
}

BOOST_AUTO_TEST_CASE(the_oldest_makes_room)
{
    Refusals refusals;
    for (std::uint16_t n = 0; n <= Refusals::kMost; ++n) refusals.remember(key(n), Reason::timeout, 0);
    BOOST_TEST(!refusals.find(key(0), 1));
    BOOST_TEST(refusals.find(key(1), 1).has_value());
    BOOST_TEST(refusals.find(key(Refusals::kMost), 1).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

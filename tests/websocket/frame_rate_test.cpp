#include "websocket/frame_rate.hpp"

#include <boost/test/unit_test.hpp>

namespace edge::websocket {

BOOST_AUTO_TEST_SUITE(websocket_frame_rate)

BOOST_AUTO_TEST_CASE(a_burst_of_one_second_s_frames_is_allowed_and_no_more)
{
    FrameRate rate{10};
    int allowed = 0;
    for (int i = 0; i < 50; ++i) allowed += rate.allow(5000) ? 1 : 0;
    BOOST_TEST(allowed == 10);
}

BOOST_AUTO_TEST_CASE(what_was_used_comes_back_evenly)
{
    FrameRate rate{10};
    while (rate.allow(5000)) {
    }
    BOOST_TEST(!rate.allow(5099));
    BOOST_TEST(rate.allow(5100));
    BOOST_TEST(!rate.allow(5100));
    BOOST_TEST(!rate.allow(4000));
    int allowed = 0;
    for (std::uint64_t now = 10000; now < 20000; now += 10) allowed += rate.allow(now) ? 1 : 0;
    BOOST_TEST(allowed == 10 + 99);
}

BOOST_AUTO_TEST_CASE(zero_is_no_limit)
{
    FrameRate rate{0};
    int refused = 0;
    for (int i = 0; i < 1000; ++i) refused += rate.allow(1) ? 0 : 1;
    BOOST_TEST(refused == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}

#include "redis/memory.hpp"

#include <algorithm>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace edge::redis;

BOOST_AUTO_TEST_SUITE(redis_memory)

BOOST_AUTO_TEST_CASE(large_memory_that_was_given_back_is_used_again)
{
    Memory first = take_memory(200'000);
    BOOST_REQUIRE(!!first);
    std::fill_n(first.get(), 200'000, 'x');
    const char* const at = first.get();
    first = {};
    Memory again = take_memory(150'000);
    BOOST_TEST(static_cast<const void*>(again.get()) == at);
    // One that is in use is nobody else's.
    Memory other = take_memory(150'000);
    BOOST_TEST(static_cast<const void*>(other.get()) != at);
}

BOOST_AUTO_TEST_CASE(small_needs_do_not_take_up_large_memory)
{
    Memory large = take_memory(1'000'000);
    const char* const at = large.get();
    large = {};
    Memory small = take_memory(5000);
    BOOST_TEST(static_cast<const void*>(small.get()) != at);
    Memory again = take_memory(1'000'000);
    BOOST_TEST(static_cast<const void*>(again.get()) == at);
}

BOOST_AUTO_TEST_CASE(any_number_of_any_size_may_be_taken_and_given_back)
{
    std::vector<Memory> all;
    for (unsigned i = 0; i < 5000; ++i) {
        const std::size_t size = i % 7 == 0 ? 0 : (i * 7919U) % 300'000;
        all.push_back(take_memory(size));
        BOOST_REQUIRE(!!all.back());
        std::fill_n(all.back().get(), size, static_cast<char>(i));
        if (all.size() > 200) all.erase(all.begin() + i % 200);
    }
    all.clear();
    for (unsigned i = 0; i < 1000; ++i) all.push_back(take_memory(4096));
    all.clear();
    Memory last = take_memory(16 * 1024 * 1024);
    BOOST_TEST(!!last);
}

BOOST_AUTO_TEST_CASE(an_inbox_is_read_into_again_unless_somebody_keeps_what_is_in_it)
{
    Inbox inbox;
    const std::span<char> first = inbox.room();
    BOOST_REQUIRE(first.size() == Inbox::kSize);
    BOOST_TEST(static_cast<const void*>(inbox.room().data()) == first.data());
    std::fill(first.begin(), first.end(), 'a');
    SharedMemory kept = inbox.memory();
    const std::span<char> second = inbox.room();
    BOOST_TEST(static_cast<const void*>(second.data()) != first.data());
    std::fill(second.begin(), second.end(), 'b');
    BOOST_TEST(kept.get()[Inbox::kSize - 1] == 'a');
    kept = {};
    BOOST_TEST(static_cast<const void*>(inbox.room().data()) == second.data());
}

BOOST_AUTO_TEST_CASE(not_everything_may_be_kept)
{
    Inbox inbox;
    std::vector<SharedMemory> kept;
    while (Inbox::may_keep()) {
        BOOST_REQUIRE(!inbox.room().empty());
        kept.push_back(inbox.memory());
    }
    BOOST_TEST(kept.size() * Inbox::kSize <= 16U * 1024 * 1024);
    BOOST_TEST(!inbox.room().empty());  // reading goes on
    kept.clear();
    BOOST_TEST(Inbox::may_keep());
}

BOOST_AUTO_TEST_SUITE_END()

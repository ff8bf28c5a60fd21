#include "redis/sentinel.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

#include "redis/whole_reply.hpp"

using namespace edge::redis;
using edge::redis::test::with_reply;
using What = SentinelWatch::Task::What;

namespace {

std::string list(std::initializer_list<std::string> items)
{
    std::string text = "*" + std::to_string(items.size()) + "\r\n";
    for (const std::string& item : items) text += "$" + std::to_string(item.size()) + "\r\n" + item + "\r\n";
    return text;
}

template <class Parse>
auto parsed(const std::string& bytes, Parse&& parse)
{
    decltype(parse(Reply{})) result{};
    BOOST_REQUIRE(with_reply(bytes, [&](const Reply& reply) { result = parse(reply); }));
    return result;
}

const HostPort kOne{"10.0.0.1", 6379};
const HostPort kTwo{"10.0.0.2", 6379};
constexpr std::size_t kSentinel = 0;
constexpr std::size_t kSentinel2 = 1;

struct Watch {
    SentinelWatch watch{2};

    void answer(std::uint64_t now, std::optional<HostPort> master, std::size_t from)
    {
        const SentinelWatch::Task task = watch.due(now);
        BOOST_REQUIRE((task.what == What::ask));
        BOOST_TEST(task.sentinel == from);
        watch.on_answer(now, master);
    }
    bool role(std::uint64_t now, Role role, const HostPort& of)
    {
        const SentinelWatch::Task task = watch.due(now);
        BOOST_REQUIRE((task.what == What::verify));
        BOOST_TEST((task.server == of));
        return watch.on_role(now, role);
    }
};

/// One that found kOne at 1000.
struct Settled : Watch {
    Settled()
    {
        answer(1000, kOne, kSentinel);
        BOOST_TEST(role(1000, Role::master, kOne));
    }
};

}

BOOST_AUTO_TEST_CASE(the_address_of_a_master_is_two_strings)
{
    BOOST_TEST((parsed(list({"10.0.0.1", "6379"}), parse_master_address) == kOne));
    BOOST_TEST((parsed(list({"::1", "6379"}), parse_master_address) == HostPort{"::1", 6379}));
    for (const std::string& bytes : std::vector<std::string>{
             "*-1\r\n", "$-1\r\n", "-IDONTKNOW\r\n", list({"10.0.0.1"}), list({"", "1"}), list({"a", "0"}),
             list({"a", "65536"}), list({"a", "1x"}), list({"a b", "1"}), "*2\r\n$1\r\na\r\n:1\r\n"}) {
        BOOST_TEST(!parsed(bytes, parse_master_address).has_value(), bytes);
    }
}

BOOST_AUTO_TEST_CASE(replicas_that_are_down_are_not_offered)
{
    const std::string up =
        list({"name", "a", "ip", "10.0.0.1", "port", "6379", "flags", "slave", "master-link-status", "ok"});
    const std::string down = list({"ip", "10.0.0.2", "port", "6379", "flags", "s_down,slave,disconnected"});
    const std::string lost =
        list({"ip", "10.0.0.3", "port", "6379", "flags", "slave", "master-link-status", "err"});
    const auto replicas = parsed("*4\r\n" + up + down + lost + list({"ip", "10.0.0.4"}), parse_replicas);
    BOOST_REQUIRE(replicas.size() == 1U);
    BOOST_TEST((replicas[0] == kOne));
    BOOST_TEST(parsed("-ERR No such master with that name\r\n", parse_replicas).empty());
}

BOOST_AUTO_TEST_CASE(a_role_is_the_first_word)
{
    BOOST_TEST((parsed("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", parse_role) == Role::master));
    BOOST_TEST((parsed(list({"slave", "10.0.0.1"}), parse_role) == Role::replica));
    BOOST_TEST((parsed(list({"sentinel"}), parse_role) == Role::sentinel));
    BOOST_TEST((parsed("-NOPERM\r\n", parse_role) == Role::unknown));
    BOOST_TEST((parsed("*0\r\n", parse_role) == Role::unknown));
}

BOOST_FIXTURE_TEST_CASE(what_a_sentinel_says_is_confirmed_by_the_server, Watch)
{
    BOOST_TEST(!watch.master().has_value());
    answer(1000, kOne, kSentinel);
    BOOST_TEST(!watch.master().has_value());
    BOOST_TEST(role(1010, Role::master, kOne));
    BOOST_TEST((watch.master() == kOne));
    BOOST_TEST(!watch.searching());
}

BOOST_FIXTURE_TEST_CASE(one_question_at_a_time, Watch)
{
    BOOST_TEST((watch.due(0).what == What::ask));
    BOOST_TEST((watch.due(0).what == What::nothing));
    watch.on_answer(5, kOne);
    BOOST_TEST((watch.due(5).what == What::verify));
    BOOST_TEST((watch.due(5).what == What::nothing));
}

BOOST_FIXTURE_TEST_CASE(a_sentinel_that_is_silent_or_out_of_date_is_followed_by_the_next, Watch)
{
    answer(0, std::nullopt, kSentinel);
    answer(0, kOne, kSentinel2);
    BOOST_TEST(!role(0, Role::replica, kOne));  // the round is over
    const auto task = watch.due(10);
    BOOST_TEST((task.what == What::nothing));
    BOOST_TEST(task.again_at_ms == SentinelWatch::kPauseMs);
    answer(SentinelWatch::kPauseMs, kTwo, kSentinel);
    BOOST_TEST(role(300, Role::master, kTwo));
}

BOOST_FIXTURE_TEST_CASE(pauses_between_rounds_grow_to_a_limit, Watch)
{
    std::uint64_t now = 0;
    std::uint64_t longest = 0;
    for (int round = 0; round < 10; ++round) {
        answer(now, std::nullopt, kSentinel);
        answer(now, std::nullopt, kSentinel2);
        const std::uint64_t next = watch.due(now).again_at_ms;
        longest = std::max(longest, next - now);
        now = next;
    }
    BOOST_TEST(longest == SentinelWatch::kMostPauseMs);
}

BOOST_FIXTURE_TEST_CASE(while_all_is_well_it_asks_now_and_then, Settled)
{
    BOOST_TEST(watch.due(1001).again_at_ms == 1000 + SentinelWatch::kRefreshMs);
    answer(2000, kOne, kSentinel);
    BOOST_TEST((watch.due(2000).what == What::nothing));
    BOOST_TEST(!watch.searching());
    answer(3000, kTwo, kSentinel);
    BOOST_TEST(role(3000, Role::master, kTwo));
    BOOST_TEST((watch.master() == kTwo));
}

BOOST_FIXTURE_TEST_CASE(a_question_in_between_that_nobody_answers_changes_nothing, Settled)
{
    answer(2000, std::nullopt, kSentinel);
    answer(2000, std::nullopt, kSentinel2);
    BOOST_TEST(!watch.searching());
    BOOST_TEST((watch.master() == kOne));
}

BOOST_FIXTURE_TEST_CASE(a_lost_master_is_looked_for_at_once_and_kept_until_there_is_another, Settled)
{
    watch.on_trouble(2000);
    BOOST_TEST(watch.searching());
    BOOST_TEST((watch.master() == kOne));
    answer(2000, kOne, kSentinel);  // Sentinel has not noticed yet
    BOOST_TEST(!role(2000, Role::unknown, kOne));
    answer(2000, kOne, kSentinel2);
    BOOST_TEST(!role(2000, Role::unknown, kOne));
    answer(2250, kTwo, kSentinel);
    BOOST_TEST((watch.master() == kOne));
    BOOST_TEST(role(2260, Role::master, kTwo));
    BOOST_TEST((watch.master() == kTwo));
}

BOOST_FIXTURE_TEST_CASE(trouble_told_again_and_again_does_not_make_it_ask_more_often, Settled)
{
    watch.on_trouble(2000);
    answer(2000, std::nullopt, kSentinel);
    answer(2000, std::nullopt, kSentinel2);
    for (int i = 0; i < 10; ++i) watch.on_trouble(2001);
    BOOST_TEST((watch.due(2002).what == What::nothing));
}

BOOST_FIXTURE_TEST_CASE(a_master_that_is_well_again_is_found_as_before, Settled)
{
    watch.on_trouble(2000);
    answer(2000, kOne, kSentinel);
    BOOST_TEST(!role(2000, Role::master, kOne));  // no other than before
    BOOST_TEST(!watch.searching());
}

BOOST_FIXTURE_TEST_CASE(trouble_while_the_role_is_asked_is_not_forgotten, Settled)
{
    watch.on_trouble(2000);
    answer(2000, kOne, kSentinel);
    BOOST_TEST((watch.due(2000).what == What::verify));
    watch.on_trouble(2001);
    watch.on_role(2002, Role::master);
    BOOST_TEST(watch.searching());
    BOOST_TEST((watch.due(2002).what == What::nothing));
    answer(2002 + SentinelWatch::kPauseMs, kTwo, kSentinel);
}

BOOST_FIXTURE_TEST_CASE(answers_to_nothing_that_was_asked_change_nothing, Watch)
{
    watch.on_answer(0, kTwo);
    BOOST_TEST(!watch.on_role(0, Role::master));
    BOOST_TEST(!watch.master().has_value());
    BOOST_TEST((watch.due(0).what == What::ask));
    BOOST_TEST(!watch.on_role(0, Role::master));
    BOOST_TEST((watch.due(0).what == What::nothing));  // the question is still under way
}

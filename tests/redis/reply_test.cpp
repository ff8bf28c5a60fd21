#include "redis/reply.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace edge::redis;

BOOST_AUTO_TEST_SUITE(redis_reply)

namespace {

/// A reply as text: its type's sign and what it holds.
std::string text_of(const Reply& reply)
{
    switch (reply.type) {
        case Reply::Type::nil:
            return "nil";
        case Reply::Type::string:
            return "$" + std::string{reply.text};
        case Reply::Type::status:
            return "+" + std::string{reply.text};
        case Reply::Type::error:
            return "-" + std::string{reply.text};
        case Reply::Type::integer:
            return ":" + std::to_string(reply.integer);
        case Reply::Type::array:
            break;
    }
    std::string out = "[";
    for (const Reply& element : reply.elements) out += (out.size() > 1 ? " " : "") + text_of(element);
    return out + "]";
}

struct Collected {
    std::vector<std::string> replies;
    ReplyReader* reader = nullptr;
    std::size_t stop_after = SIZE_MAX;
    static void sink(void* self, const Reply& reply) noexcept
    {
        auto& collected = *static_cast<Collected*>(self);
        collected.replies.push_back(text_of(reply));
        if (collected.replies.size() == collected.stop_after) collected.reader->stop();
    }
};

const std::string kAll =
    "+OK\r\n-ERR no\r\n:-42\r\n$5\r\nhe\r\no\r\n$0\r\n\r\n$-1\r\n*0\r\n*-1\r\n"
    "*3\r\n$1\r\na\r\n*2\r\n:1\r\n*1\r\n$-1\r\n-MOVED 1 h:1\r\n+end\r\n";
const std::vector<std::string> kAllReplies{
    "+OK", "-ERR no", ":-42", "$he\r\no", "$", "nil", "[]", "nil", "[$a [:1 [nil]] -MOVED 1 h:1]", "+end"};

}

BOOST_AUTO_TEST_CASE(every_kind_of_reply_is_read_however_it_is_cut)
{
    for (std::size_t cut = 1; cut <= kAll.size(); ++cut) {
        Collected got;
        ReplyReader reader{Collected::sink, &got};
        bool well = true;
        for (std::size_t at = 0; at < kAll.size(); at += cut)
            well = reader.feed(std::string_view{kAll}.substr(at, cut)) && well;
        BOOST_TEST(well);
        BOOST_TEST(got.replies == kAllReplies, boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(large_strings_are_read_in_place_between_all_others)
{
    const std::string large(20'000, 'l');
    const std::string larger(70'000, 'm');
    const std::string bulk = [&] {
        std::string out = "+first\r\n";
        for (const std::string& text : {large, larger, std::string{"small"}, large})
            out += "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n:1\r\n";
        return out + "*2\r\n$20000\r\n" + large + "\r\n+x\r\n$20000\r\n" + large + "\r\n";
    }();
    const std::vector<std::string> expected{
        "+first", "$" + large, ":1", "$" + larger,          ":1",       "$small",
        ":1",     "$" + large, ":1", "[$" + large + " +x]", "$" + large};
    for (const std::size_t piece : {1U, 7U, 100U, 8191U, 16'384U, 65'536U, 1'000'000U}) {
        for (const bool direct : {false, true}) {
            Collected got;
            ReplyReader reader{Collected::sink, &got};
            std::string_view rest = bulk;
            bool in_place = false;
            while (!rest.empty()) {
                const std::span<char> room = direct ? reader.room() : std::span<char>{};
                const std::size_t n = std::min({piece, rest.size(), room.empty() ? SIZE_MAX : room.size()});
                if (room.empty()) {
                    BOOST_REQUIRE(reader.feed(rest.substr(0, n)));
                } else {
                    std::copy_n(rest.data(), n, room.data());
                    BOOST_REQUIRE(reader.take(n));
                    in_place = true;
                }
                rest.remove_prefix(n);
            }
            BOOST_TEST(got.replies.size() == expected.size());
            BOOST_TEST((got.replies == expected), piece);
            BOOST_TEST(in_place == (direct && piece < bulk.size()));
        }
    }
}

BOOST_AUTO_TEST_CASE(who_is_handed_a_string_that_came_in_pieces_may_keep_its_memory)
{
    struct Keeper {
        Memory memory;
        std::string_view text;
        unsigned without = 0;
        static void sink(void* self, const Reply& reply) noexcept
        {
            auto& keeper = *static_cast<Keeper*>(self);
            if (reply.memory == nullptr) {
                ++keeper.without;
                return;
            }
            keeper.memory = std::move(*reply.memory);
            keeper.text = reply.text;
        }
    } keeper;
    ReplyReader reader{Keeper::sink, &keeper};
    BOOST_TEST(reader.feed("$3\r\none\r\n$5\r\nth"));
    BOOST_TEST(keeper.without == 1U);
    BOOST_TEST(reader.room().size() == 5U);
    BOOST_TEST(reader.feed("ree\r\n$4\r\nfo"));
    BOOST_TEST(static_cast<const void*>(keeper.memory.get()) == keeper.text.data());
    BOOST_TEST(keeper.text == "three");
    BOOST_TEST(reader.feed("ur\r\n:1\r\n"));
    BOOST_TEST(keeper.text == "four");
    BOOST_TEST(keeper.without == 2U);
}

BOOST_AUTO_TEST_CASE(a_string_is_left_to_hiredis_when_its_length_is_not_plain)
{
    for (const char* bytes : {"$-2\r\n", "$+5\r\nabcde\r\n", "$00000000000000000000000000000000000000",
                              "$5\nabcde\r\n", "$ 5\r\nabcde\r\n", "$\r\n", "$5\rabcde\r\n"}) {
        Collected whole;
        ReplyReader at_once{Collected::sink, &whole};
        const bool well = at_once.feed(bytes);
        BOOST_TEST(whole.replies.size() <= 1U, bytes);
        Collected cut;
        ReplyReader in_pieces{Collected::sink, &cut};
        bool still = true;
        for (const char* at = bytes; *at != 0 && still; ++at) still = in_pieces.feed({at, 1});
        BOOST_TEST(well == still, bytes);
        BOOST_TEST(whole.replies == cut.replies, bytes);
    }
}

BOOST_AUTO_TEST_CASE(a_large_string_that_does_not_end_where_it_should_is_refused)
{
    Collected got;
    ReplyReader reader{Collected::sink, &got};
    BOOST_TEST(reader.feed("$10000\r\n"));
    BOOST_TEST(!reader.feed(std::string(10'010, 'x')));
    BOOST_TEST(reader.error() != "");
    BOOST_TEST(got.replies.empty());
}

BOOST_AUTO_TEST_CASE(garbage_is_refused_and_stays_refused)
{
    for (const char* bytes : {"HTTP/1.1 400 Bad Request\r\n\r\n", "$x\r\n", "*-7\r\n", ":\r\n", "$12a\r\n",
                              "*1\r\n?\r\n", "\r\n"}) {
        Collected got;
        ReplyReader reader{Collected::sink, &got};
        BOOST_TEST(!reader.feed(bytes), bytes);
        BOOST_TEST(reader.error() != "");
        BOOST_TEST(!reader.feed("+OK\r\n"));
        BOOST_TEST(got.replies.empty());
    }
}

BOOST_AUTO_TEST_CASE(a_bulk_string_that_announces_too_much_is_refused_at_its_header)
{
    Collected got;
    ReplyReader reader{Collected::sink, &got};
    BOOST_TEST(reader.feed("+OK\r\n$52428"));
    BOOST_TEST(!reader.feed("8000\r\n"));
    Collected other;
    ReplyReader huge{Collected::sink, &other};
    BOOST_TEST(!huge.feed("$99999999999999999999999999\r\n"));
}

BOOST_AUTO_TEST_CASE(the_limits_are_inclusive)
{
    const ReplyLimits limits{.bytes = 100, .elements = 4};
    const auto fed = [&](const std::string& bytes) {
        Collected got;
        ReplyReader reader{Collected::sink, &got, limits};
        return reader.feed(bytes) && got.replies.size() == 1;
    };
    BOOST_TEST(fed("$100\r\n" + std::string(100, 'x') + "\r\n"));
    BOOST_TEST(!fed("$101\r\n" + std::string(101, 'x') + "\r\n"));
    BOOST_TEST(!fed("*5\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"));
    BOOST_TEST(!fed("*2147483648\r\n"));
    BOOST_TEST(!fed("*1\r\n$101\r\n" + std::string(101, 'x') + "\r\n"));
}

BOOST_AUTO_TEST_CASE(what_never_ends_is_not_collected)
{
    const ReplyLimits limits{.bytes = 1000, .elements = 4};
    Collected got;
    ReplyReader reader{Collected::sink, &got, limits};
    bool well = true;
    std::size_t fed = 0;
    for (; well && fed < 100'000; fed += 100)
        well = reader.feed(std::string(fed == 0 ? "+" : "") + std::string(100, 'x'));
    BOOST_TEST(!well);
    BOOST_TEST(fed < 1500U);
}

BOOST_AUTO_TEST_CASE(after_an_array_its_memory_is_there_for_the_next)
{
    const ReplyLimits limits{.bytes = 1000, .elements = 4};
    Collected got;
    ReplyReader reader{Collected::sink, &got, limits};
    for (int i = 0; i < 100; ++i) BOOST_TEST(reader.feed("*1\r\n$500\r\n" + std::string(500, 'x') + "\r\n"));
    BOOST_TEST(got.replies.size() == 100U);
}

BOOST_AUTO_TEST_CASE(who_stops_gets_nothing_more)
{
    Collected got;
    ReplyReader reader{Collected::sink, &got};
    got.reader = &reader;
    got.stop_after = 2;
    BOOST_TEST(reader.feed(kAll));
    BOOST_TEST(got.replies.size() == 2U);
}

BOOST_AUTO_TEST_CASE(an_error_is_told_by_its_first_word)
{
    Reply reply;
    reply.type = Reply::Type::error;
    reply.text = "MOVED 3999 127.0.0.1:6381";
    BOOST_TEST(reply.error_is("MOVED"));
    BOOST_TEST(!reply.error_is("MOVE"));
    reply.text = "LOADING";
    BOOST_TEST(reply.error_is("LOADING"));
    reply.type = Reply::Type::string;
    BOOST_TEST(!reply.error_is("LOADING"));
}

BOOST_AUTO_TEST_CASE(a_string_that_lies_in_what_was_read_says_so)
{
    struct Seen {
        std::vector<const SharedMemory*> shared;
        std::vector<std::string> texts;
        static void sink(void* self, const Reply& reply) noexcept
        {
            auto& seen = *static_cast<Seen*>(self);
            seen.shared.push_back(reply.shared);
            seen.texts.emplace_back(reply.text);
        }
    };
    Inbox inbox;
    const std::span<char> room = inbox.room();
    const std::string_view bytes = "$3\r\none\r\n+two\r\n$5\r\nthree\r\n$4\r\nfo";
    bytes.copy(room.data(), room.size());
    const SharedMemory* const memory = &inbox.memory();
    Seen seen{};
    ReplyReader reader{Seen::sink, &seen};
    BOOST_TEST(reader.feed({room.data(), bytes.size()}, memory));
    BOOST_TEST(reader.feed("ur\r\n", memory));
    BOOST_TEST((seen.texts == std::vector<std::string>{"one", "two", "three", "four"}));
    // Behind one that hiredis has read they lie in its memory, and one that came in pieces in its own.
    BOOST_TEST((seen.shared == std::vector<const SharedMemory*>{memory, nullptr, nullptr, nullptr}));
}

BOOST_AUTO_TEST_SUITE_END()

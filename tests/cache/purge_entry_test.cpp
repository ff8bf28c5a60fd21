#include "cache/purge_entry.hpp"

#include <boost/test/unit_test.hpp>

namespace edge::cache {

BOOST_AUTO_TEST_SUITE(purge_entry)

namespace {

PurgeEntry sample()
{
    PurgeEntry entry;
    entry.zone = "main";
    entry.tags = {1, 0xffff'ffff'ffff'ffff};
    entry.prefixes = {"host/a", "host/b/"};
    entry.soft = true;
    entry.sync = true;
    entry.time = 1'700'000'000;
    entry.host = 0x8000'0000'0000'0001;
    entry.ticket = 77;
    return entry;
}

}

BOOST_AUTO_TEST_CASE(an_entry_reads_back_as_it_was)
{
    const PurgeEntry entry = sample();
    const auto read = parse_purge(encode_purge(entry));
    BOOST_REQUIRE(read.has_value());
    BOOST_TEST(read->zone == entry.zone);
    BOOST_TEST(read->tags == entry.tags);
    BOOST_TEST(read->prefixes == entry.prefixes);
    BOOST_TEST(!read->all);
    BOOST_TEST(read->soft);
    BOOST_TEST(read->sync);
    BOOST_TEST(read->time == entry.time);
    BOOST_TEST(read->host == entry.host);
    BOOST_TEST(read->ticket == entry.ticket);
}

BOOST_AUTO_TEST_CASE(the_bytes_are_the_same_on_every_machine)
{
    PurgeEntry entry;
    entry.zone = "z";
    entry.tags = {0x0102030405060708};
    entry.all = true;
    entry.host = 2;
    entry.ticket = 3;
    entry.time = 4;
    const std::string_view expected{
        "\x01\x01"
        "\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0"
        "\x01\0\0\0z\x01\0\0\0\0\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01",
        2 + 24 + 5 + 8 + 8};
    BOOST_TEST(encode_purge(entry) == expected);
}

BOOST_AUTO_TEST_CASE(nothing_but_the_whole_is_an_entry)
{
    const std::string whole = encode_purge(sample());
    for (std::size_t n = 0; n < whole.size(); ++n) {
        BOOST_TEST(!parse_purge(std::string_view{whole}.substr(0, n)).has_value(), "of " << n << " bytes");
    }
    BOOST_TEST(!parse_purge(whole + '\0').has_value());
    std::string other = whole;
    other[0] = 2;
    BOOST_TEST(!parse_purge(other).has_value());
    other = whole;
    other[1] = static_cast<char>(0x10);
    BOOST_TEST(!parse_purge(other).has_value());
}

BOOST_AUTO_TEST_CASE(a_tag_that_no_text_has_and_an_empty_prefix_are_refused)
{
    PurgeEntry entry;
    entry.tags = {0};
    BOOST_TEST(!parse_purge(encode_purge(entry)).has_value());
    entry.tags.clear();
    entry.prefixes = {""};
    BOOST_TEST(!parse_purge(encode_purge(entry)).has_value());
}

BOOST_AUTO_TEST_CASE(a_count_that_is_not_there_takes_no_memory)
{
    std::string text = encode_purge({});
    text.replace(text.size() - 8, 4, "\xff\xff\xff\x7f", 4);
    BOOST_TEST(!parse_purge(text).has_value());
}

BOOST_AUTO_TEST_CASE(what_is_too_large_travels_as_a_purge_of_all)
{
    PurgeEntry entry = sample();
    entry.tags.assign(PurgeEntry::kMaxBytes / 8, 5);
    const auto read = parse_purge(encode_purge(entry));
    BOOST_REQUIRE(read.has_value());
    BOOST_TEST(read->all);
    BOOST_TEST(read->tags.empty());
    BOOST_TEST(read->zone == "main");
    BOOST_TEST(read->soft);
}

BOOST_AUTO_TEST_CASE(positions_are_written_as_redis_writes_ids)
{
    const LogPosition at{1'882'749'102'347'264, 17};
    BOOST_TEST(format_position(at) == "1882749102347264-17");
    BOOST_TEST((parse_position("1882749102347264-17") == at));
    for (const char* text : {"", "-", "1", "1-", "-1", "1-2-3", "1-2 ", " 1-2", "a-1", "1--2", "+1-2",
                             "18446744073709551616-1"}) {
        BOOST_TEST(!parse_position(text).has_value(), text);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}

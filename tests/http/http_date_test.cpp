#include "http/http_date.hpp"

#include <array>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

using namespace edge::http;

namespace {

constexpr std::int64_t kNow = 1700000000;  // Tue, 14 Nov 2023 22:13:20 GMT

struct Row {
    const char* section;
    const char* text;
    std::optional<std::int64_t> expected;
    std::int64_t now = kNow;
};

std::ostream& operator<<(std::ostream& out, const Row& row)
{
    return out << row.section << ": '" << row.text << "' at " << row.now;
}

const std::vector<Row> kDates = {
    {"9110 5.6.7 IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"9110 5.6.7 RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
    {"9110 5.6.7 asctime", "Sun Nov  6 08:49:37 1994", 784111777},
    {"9110 5.6.7 asctime, two-digit day", "Wed Nov 16 08:49:37 1994", 784975777},
    {"epoch", "Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"before the epoch", "Wed, 31 Dec 1969 23:59:59 GMT", -1},
    {"year 0", "Sat, 01 Jan 0000 00:00:00 GMT", -62167219200},
    {"the last second", "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
    {"beyond 32 bits", "Tue, 19 Jan 2038 14:14:08 GMT", 2147523248},
    {"far future", "Wed, 20 Nov 2286 17:46:39 GMT", 9999999999},
    {"leap day", "Thu, 29 Feb 2024 00:00:00 GMT", 1709164800},
    {"leap day of a century", "Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
    {"no leap day in 1900", "Thu, 29 Feb 1900 00:00:00 GMT", std::nullopt},
    {"no leap day in 2023", "Wed, 29 Feb 2023 00:00:00 GMT", std::nullopt},
    {"leap second", "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
    {"second 61", "Sat, 31 Dec 2016 23:59:61 GMT", std::nullopt},
    {"hour 24", "Sat, 31 Dec 2016 24:00:00 GMT", std::nullopt},
    {"minute 60", "Sat, 31 Dec 2016 23:60:00 GMT", std::nullopt},
    {"day 0", "Sat, 00 Dec 2016 23:00:00 GMT", std::nullopt},
    {"day 31 of April", "Sat, 31 Apr 2016 23:00:00 GMT", std::nullopt},
    {"9110 5.6.7 case of day", "THU, 18 Aug 2050 02:01:18 GMT", 2544400878},
    {"9110 5.6.7 case of month", "Thu, 18 AUG 2050 02:01:18 GMT", 2544400878},
    {"9110 5.6.7 case of zone", "Thu, 18 Aug 2050 02:01:18 gMT", 2544400878},
    {"a day name that is not the date's", "Mon, 18 Aug 2050 02:01:18 GMT", 2544400878},
    {"9110 5.6.7 GMT only", "Thu, 18 Aug 2050 02:01:18 UTC", std::nullopt},
    {"9110 5.6.7 GMT only", "Thu, 18 Aug 2050 02:01:18 AEST", std::nullopt},
    {"9110 5.6.7 GMT only", "Thu, 18 Aug 2050 02:01:18 +0000", std::nullopt},
    {"zone missing", "Thu, 18 Aug 2050 02:01:18", std::nullopt},
    {"two-digit year", "Thu, 18 Aug 50 02:01:18 GMT", std::nullopt},
    {"five-digit year", "Thu, 18 Aug 20500 02:01:18 GMT", std::nullopt},
    {"comma missing", "Thu 18 Aug 2050 02:01:18 GMT", std::nullopt},
    {"spaces", "Thu, 18  Aug  2050 02:01:18 GMT", std::nullopt},
    {"dashes", "Thu, 18-Aug-2050 02:01:18 GMT", std::nullopt},
    {"periods", "Thu, 18 Aug 2050 02.01.18 GMT", std::nullopt},
    {"one-digit hour", "Thu, 18 Aug 2050 2:01:18 GMT", std::nullopt},
    {"one-digit day", "Thu, 8 Aug 2050 02:01:18 GMT", std::nullopt},
    {"asctime with zone", "Sun Nov  6 08:49:37 1994 GMT", std::nullopt},
    {"asctime, day with zero", "Sun Nov 06 08:49:37 1994", 784111777},
    {"asctime, one space", "Sun Nov 6 08:49:37 1994", std::nullopt},
    {"unknown month", "Thu, 18 Foo 2050 02:01:18 GMT", std::nullopt},
    {"unknown day", "Foo, 18 Aug 2050 02:01:18 GMT", std::nullopt},
    {"text behind", "Sun, 06 Nov 1994 08:49:37 GMT ", std::nullopt},
    {"text before", " Sun, 06 Nov 1994 08:49:37 GMT", std::nullopt},
    {"two dates", "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", std::nullopt},
    {"9111 5.3 zero", "0", std::nullopt},
    {"empty", "", std::nullopt},
    {"truncated", "Sun, 06 Nov", std::nullopt},
    {"signed digits", "Sun, 06 Nov 1994 08:49:-7 GMT", std::nullopt},
    // The two digits of RFC 850 and the 50-year rule.
    {"within 50 years", "Thursday, 18-Aug-50 02:01:18 GMT", 2544400878},
    {"exactly 50 years ahead", "Tuesday, 14-Nov-73 22:13:20 GMT", 3277923200},
    {"50 years and a second ahead", "Tuesday, 14-Nov-73 22:13:21 GMT", 122163201},
    {"51 years ahead", "Thursday, 14-Nov-74 22:13:20 GMT", 153699200},
    {"last century seen from 1999", "Friday, 01-Jan-99 00:00:00 GMT", 915148800, 930000000},
    {"next century seen from 1999", "Saturday, 01-Jan-00 00:00:00 GMT", 946684800, 930000000},
    {"leap day where the century has none", "Thursday, 29-Feb-00 00:00:00 GMT", std::nullopt, 4102444800},
    {"RFC 850 with short day", "Sun, 06-Nov-94 08:49:37 GMT", std::nullopt},
    {"RFC 850 with long year", "Sunday, 06-Nov-1994 08:49:37 GMT", std::nullopt},
    {"a clock before year 0", "Sunday, 06-Nov-94 08:49:37 GMT", -59174032223, -9000000000000},
};

}

BOOST_DATA_TEST_CASE(an_http_date_is_what_the_grammar_says_and_nothing_else,
                     boost::unit_test::data::make(kDates), row)
{
    const auto time = parse_http_date(row.text, row.now);
    BOOST_TEST(time.has_value() == row.expected.has_value());
    if (time && row.expected) BOOST_TEST(*time == *row.expected);
}

BOOST_AUTO_TEST_CASE(a_formatted_date_is_imf_fixdate)
{
    std::array<char, kHttpDateLength> text{};
    format_http_date(784111777, text);
    BOOST_TEST((std::string{text.data(), text.size()}) == "Sun, 06 Nov 1994 08:49:37 GMT");
    format_http_date(-1, text);
    BOOST_TEST((std::string{text.data(), text.size()}) == "Wed, 31 Dec 1969 23:59:59 GMT");
}

BOOST_AUTO_TEST_CASE(a_time_no_date_can_say_is_formatted_as_the_nearest_that_can)
{
    std::array<char, kHttpDateLength> text{};
    format_http_date(std::int64_t{1} << 62, text);
    BOOST_TEST((std::string{text.data(), text.size()}) == "Fri, 31 Dec 9999 23:59:59 GMT");
    format_http_date(-(std::int64_t{1} << 62), text);
    BOOST_TEST((std::string{text.data(), text.size()}) == "Sat, 01 Jan 0000 00:00:00 GMT");
}

BOOST_AUTO_TEST_CASE(every_formatted_date_parses_back_to_its_time)
{
    std::array<char, kHttpDateLength> text{};
    for (std::int64_t time = -62167219200; time < 253402300800; time += 86400 * 13 + 4021) {
        format_http_date(time, text);
        const auto back = parse_http_date({text.data(), text.size()}, kNow);
        BOOST_REQUIRE(back.has_value());
        BOOST_REQUIRE_EQUAL(*back, time);
    }
}

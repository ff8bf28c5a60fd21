#include "status/metrics.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <set>
#include <string>
#include <string_view>

using namespace edge::status;

namespace {

bool is_metric_name(std::string_view name)
{
    return name.starts_with("edge_") && name.find("__") == name.npos && name.back() != '_' &&
           std::ranges::all_of(
               name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

}

BOOST_AUTO_TEST_SUITE(status_metrics)

BOOST_AUTO_TEST_CASE(a_family_name_is_unique_and_ends_in_total_exactly_when_it_counts)
{
    std::set<std::string_view> seen;
    for (const FamilyInfo& family : kFamilies) {
        BOOST_TEST_CONTEXT(family.name)
        {
            BOOST_TEST(is_metric_name(family.name));
            BOOST_TEST(seen.insert(family.name).second);
            BOOST_TEST(family.name.ends_with("_total") == (family.kind == Kind::counter));
            BOOST_TEST((family.name.find("bytes") == family.name.npos ||
                        family.name.ends_with(family.kind == Kind::counter ? "_bytes_total" : "_bytes")));
        }
    }
    for (const TimerInfo& timer : kTimers) {
        BOOST_TEST(is_metric_name(timer.name));
        BOOST_TEST(seen.insert(timer.name).second);
        BOOST_TEST(timer.name.ends_with("_duration_seconds"));
    }
}

BOOST_AUTO_TEST_CASE(help_is_one_line_without_what_the_text_format_would_escape)
{
    const auto plain = [](std::string_view help) {
        return !help.empty() && help.back() == '.' && help.find_first_of("\\\n") == help.npos;
    };
    for (const FamilyInfo& family : kFamilies) BOOST_TEST(plain(family.help), family.name);
    for (const TimerInfo& timer : kTimers) BOOST_TEST(plain(timer.help), timer.name);
}

BOOST_AUTO_TEST_CASE(counters_stand_in_the_order_of_their_families_and_every_family_has_one)
{
    std::size_t expected = 0;
    for (const CounterInfo& counter : kCounters) {
        const auto family = static_cast<std::size_t>(counter.family);
        BOOST_TEST((family == expected || family + 1 == expected), info(counter.family).name);
        if (family == expected) ++expected;
    }
    BOOST_TEST(expected == kFamilies.size());
}

BOOST_AUTO_TEST_CASE(a_counter_is_told_from_its_family_by_label_and_key_or_is_alone)
{
    std::set<std::string> labels, paths;
    for (const CounterInfo& counter : kCounters) {
        const FamilyInfo& family = info(counter.family);
        BOOST_TEST_CONTEXT(family.name << " " << counter.label_value)
        {
            BOOST_TEST(counter.label_value.empty() == family.label.empty());
            BOOST_TEST(counter.json_key.empty() == family.label.empty());
            BOOST_TEST(
                labels.insert(std::string{family.name} + '=' + std::string{counter.label_value}).second);
            BOOST_TEST(
                paths.insert(std::string{family.json_path} + '.' + std::string{counter.json_key}).second);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

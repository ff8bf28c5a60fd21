#include "status/histogram.hpp"

#include <algorithm>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <ostream>
#include <random>
#include <vector>

using edge::status::Histogram;
namespace buckets = edge::status::buckets;

namespace {

constexpr std::uint64_t kBeyond = std::uint64_t{1} << buckets::kRangeBits;

Histogram of(const std::vector<std::uint64_t>& values)
{
    Histogram histogram;
    for (const std::uint64_t value : values) {
        ++histogram.count[buckets::of(value)];
        histogram.sum += value;
    }
    return histogram;
}

/// The value that a sorted list has at the rank the histogram estimates.
std::uint64_t exact_quantile(const std::vector<std::uint64_t>& sorted, double q)
{
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
    return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

struct BucketRow {
    std::uint64_t value;
    std::size_t bucket;
    std::uint64_t lowest, highest;
};
std::ostream& operator<<(std::ostream& out, const BucketRow& row)
{
    return out << row.value;
}

const BucketRow kBucketRows[] = {
    {0, 0, 0, 0},
    {1, 1, 1, 1},
    {15, 15, 15, 15},
    {16, 16, 16, 16},
    {31, 31, 31, 31},
    {32, 32, 32, 33},
    {33, 32, 32, 33},
    {34, 33, 34, 35},
    {63, 47, 62, 63},
    {64, 48, 64, 67},
    {1000, 111, 992, 1023},
    {1024, 112, 1024, 1087},
    {1'000'000, 270, 983'040, 1'015'807},
    {kBeyond - 1, buckets::kCount - 1, 31ULL << 27, kBeyond - 1},
    {kBeyond, buckets::kCount - 1, 31ULL << 27, kBeyond - 1},
    {UINT64_MAX, buckets::kCount - 1, 31ULL << 27, kBeyond - 1},
};

enum class Shape { uniform, log_uniform, log_normal, two_humps, one_value, few };
struct SampleRow {
    const char* name;
    Shape shape;
    std::size_t size;
};
std::ostream& operator<<(std::ostream& out, const SampleRow& row)
{
    return out << row.name << ", " << row.size;
}

const SampleRow kSampleRows[] = {
    {"uniform to 10 ms", Shape::uniform, 20'000},
    {"all magnitudes alike", Shape::log_uniform, 20'000},
    {"log-normal around 2 ms", Shape::log_normal, 20'000},
    {"hits and slow misses", Shape::two_humps, 20'000},
    {"one value", Shape::one_value, 1'000},
    {"few values", Shape::few, 3},
    {"a single value", Shape::log_uniform, 1},
};

std::vector<std::uint64_t> sample(const SampleRow& row)
{
    std::mt19937_64 random{static_cast<std::uint64_t>(row.shape) + row.size};
    std::uniform_real_distribution<double> unit{0, 1};
    std::lognormal_distribution<double> hump{std::log(2000.0), 1.2};
    std::vector<std::uint64_t> values(row.size);
    for (std::uint64_t& value : values) {
        switch (row.shape) {
            case Shape::uniform:
                value = random() % 10'000;
                break;
            case Shape::log_uniform:
                value = static_cast<std::uint64_t>(std::exp2(31.9 * unit(random)));
                break;
            case Shape::log_normal:
                value = static_cast<std::uint64_t>(hump(random));
                break;
            case Shape::two_humps:
                value = random() % 10 != 0 ? 20 + random() % 30 : 80'000 + random() % 9'000;
                break;
            case Shape::one_value:
                value = 65'535;
                break;
            case Shape::few:
                value = 1000 + random() % 7;
                break;
        }
    }
    return values;
}

}

BOOST_AUTO_TEST_SUITE(status_histogram)

BOOST_DATA_TEST_CASE(a_value_lies_in_the_bucket_that_spans_it, kBucketRows, row)
{
    BOOST_TEST(buckets::of(row.value) == row.bucket);
    BOOST_TEST(buckets::lowest(row.bucket) == row.lowest);
    BOOST_TEST(buckets::highest(row.bucket) == row.highest);
}

BOOST_AUTO_TEST_CASE(buckets_follow_each_other_without_gap_and_none_is_wider_than_a_sixteenth_of_its_start)
{
    BOOST_TEST(buckets::lowest(0) == 0U);
    for (std::size_t i = 0; i < buckets::kCount; ++i) {
        const std::uint64_t low = buckets::lowest(i), high = buckets::highest(i);
        BOOST_REQUIRE(low <= high);
        BOOST_REQUIRE_EQUAL(buckets::lowest(i + 1), high + 1);
        BOOST_REQUIRE_EQUAL(buckets::of(low), i);
        BOOST_REQUIRE_EQUAL(buckets::of(high), i);
        BOOST_REQUIRE(low == high || (high - low + 1) * 16 <= low);
    }
}

BOOST_DATA_TEST_CASE(every_quantile_is_within_five_percent_of_the_sorted_values, kSampleRows, row)
{
    std::vector<std::uint64_t> values = sample(row);
    const Histogram histogram = of(values);
    std::ranges::sort(values);
    for (const double q : {0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0}) {
        const auto exact = static_cast<double>(exact_quantile(values, q));
        const auto estimate = static_cast<double>(histogram.quantile(q).value());
        BOOST_TEST_CONTEXT("q = " << q << ", exact " << exact << ", estimate " << estimate)
        {
            BOOST_TEST(std::abs(estimate - exact) <= 0.05 * exact);
            BOOST_TEST(std::abs(estimate - exact) <= exact / 32);
        }
    }
}

BOOST_AUTO_TEST_CASE(quantiles_of_small_values_are_exact)
{
    for (std::uint64_t value = 0; value < 32; ++value) {
        const Histogram histogram = of({value, value, value + 100});
        BOOST_TEST(histogram.quantile(0.5).value() == value);
    }
}

BOOST_AUTO_TEST_CASE(the_rank_of_a_quantile_is_rounded_up)
{
    const Histogram three = of({1, 2, 3}), four = of({1, 2, 3, 4});
    BOOST_TEST(three.quantile(0.33).value() == 1U);
    BOOST_TEST(three.quantile(0.34).value() == 2U);
    BOOST_TEST(three.quantile(0.5).value() == 2U);
    BOOST_TEST(four.quantile(0.5).value() == 2U);
    BOOST_TEST(four.quantile(0.51).value() == 3U);
    BOOST_TEST(four.quantile(0.99).value() == 4U);
}

BOOST_AUTO_TEST_CASE(quantiles_never_fall_as_q_grows)
{
    const Histogram histogram = of(sample(kSampleRows[1]));
    std::uint64_t before = 0;
    for (int permille = 0; permille <= 1000; ++permille) {
        const std::uint64_t value = histogram.quantile(permille / 1000.0).value();
        BOOST_REQUIRE(value >= before);
        before = value;
    }
}

BOOST_AUTO_TEST_CASE(no_values_have_no_quantile)
{
    const Histogram empty;
    BOOST_TEST(empty.total() == 0U);
    BOOST_TEST(empty.at_most(UINT64_MAX) == 0U);
    for (const double q : {0.0, 0.5, 1.0}) BOOST_TEST(!empty.quantile(q).has_value());
}

BOOST_AUTO_TEST_CASE(q_outside_zero_to_one_means_the_nearer_end)
{
    const Histogram histogram = of({1, 2, 3});
    BOOST_TEST(histogram.quantile(-1).value() == 1U);
    BOOST_TEST(histogram.quantile(2).value() == 3U);
    BOOST_TEST(histogram.quantile(std::numeric_limits<double>::infinity()).value() == 3U);
    BOOST_TEST(histogram.quantile(std::numeric_limits<double>::quiet_NaN()).value() == 1U);
}

BOOST_AUTO_TEST_CASE(more_values_than_a_double_can_count_still_have_quantiles)
{
    Histogram histogram;
    histogram.count[buckets::of(5)] = (std::uint64_t{1} << 63) - 1;
    histogram.count[buckets::of(9)] = std::uint64_t{1} << 63;
    BOOST_TEST(histogram.total() == UINT64_MAX);
    BOOST_TEST(histogram.quantile(0.25).value() == 5U);
    BOOST_TEST(histogram.quantile(0.75).value() == 9U);
    BOOST_TEST(histogram.quantile(std::nextafter(1.0, 0.0)).value() == 9U);
}

BOOST_AUTO_TEST_CASE(merging_equals_recording_everything_in_one)
{
    const std::vector<std::uint64_t> first = sample(kSampleRows[0]), second = sample(kSampleRows[3]);
    std::vector<std::uint64_t> both = first;
    both.insert(both.end(), second.begin(), second.end());
    const Histogram expected = of(both);
    const Histogram one_way = of(first).merge(of(second)), other_way = of(second).merge(of(first));
    BOOST_TEST((one_way.count == expected.count));
    BOOST_TEST(one_way.sum == expected.sum);
    BOOST_TEST((other_way.count == expected.count));
    BOOST_TEST(other_way.sum == expected.sum);
}

BOOST_AUTO_TEST_CASE(at_most_never_counts_a_greater_value_and_misses_only_those_just_below)
{
    std::vector<std::uint64_t> values = sample(kSampleRows[1]);
    const Histogram histogram = of(values);
    std::ranges::sort(values);
    const auto count_to = [&](std::uint64_t end) {
        return static_cast<std::uint64_t>(std::ranges::upper_bound(values, end) - values.begin());
    };
    for (std::uint64_t end = 1; end < kBeyond; end += end / 3 + 1) {
        BOOST_TEST_CONTEXT("end " << end)
        {
            BOOST_TEST(histogram.at_most(end) <= count_to(end));
            BOOST_TEST(histogram.at_most(end) >= count_to(end - end / 16 - 1));
        }
    }
}

BOOST_AUTO_TEST_CASE(at_most_does_not_vouch_for_values_beyond_the_range)
{
    const Histogram histogram = of({7, UINT64_MAX});
    BOOST_TEST(histogram.total() == 2U);
    BOOST_TEST(histogram.at_most(kBeyond) == 1U);
    BOOST_TEST(histogram.at_most(UINT64_MAX - 1) == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

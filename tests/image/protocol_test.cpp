#include "image/protocol.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>

#include "image/messages.hpp"

namespace edge::image {

namespace {

using Bytes = std::vector<std::byte>;

Bytes wire(const Message& message)
{
    const auto encoded = encode(message);
    return {encoded.bytes().begin(), encoded.bytes().end()};
}

Submit valid_submit()
{
    return std::get<Submit>(test::messages()[1]);
}

bool arrives(const Submit& submit)
{
    return decode(wire(submit)).has_value();
}

}

BOOST_AUTO_TEST_SUITE(image_protocol)

BOOST_AUTO_TEST_CASE(what_is_encoded_decodes_to_the_same)
{
    for (const Message& message : test::messages()) {
        const auto decoded = decode(wire(message));
        BOOST_REQUIRE(decoded.has_value());
        BOOST_TEST(decoded->index() == message.index());
        BOOST_TEST(test::same_bytes(*decoded, message));
    }
    const auto submit = std::get<Submit>(*decode(wire(valid_submit())));
    BOOST_TEST(submit.id == 0x1122334455667788U);
    BOOST_TEST(submit.job.height == 4'000'000'000U);
    BOOST_TEST((submit.job.gravity == Gravity::attention));
    BOOST_TEST(submit.job.range_low == -1.5F);
    BOOST_TEST(submit.job.limits.pixels_in == 1ULL << 40);
    BOOST_TEST(int{submit.job.background[2]} == 3);
}

BOOST_AUTO_TEST_CASE(a_message_that_is_cut_or_has_more_behind_it_is_none)
{
    for (const Message& message : test::messages()) {
        const Bytes whole = wire(message);
        for (std::size_t n = 0; n < whole.size(); ++n)
            BOOST_TEST(!decode(std::span{whole}.first(n)).has_value());
        Bytes longer = whole;
        longer.push_back(std::byte{0});
        BOOST_TEST(!decode(longer).has_value());
        BOOST_TEST(whole.size() < kMaxMessage);
    }
}

BOOST_AUTO_TEST_CASE(another_version_or_kind_is_no_message)
{
    for (const std::size_t place : {0U, 4U, 6U}) {
        Bytes bytes = wire(Cancel{.id = 1});
        bytes[place] ^= std::byte{0x40};
        BOOST_TEST(!decode(bytes).has_value());
    }
}

BOOST_AUTO_TEST_CASE(jobs_with_values_out_of_range_do_not_arrive)
{
    BOOST_TEST(arrives(valid_submit()));
    const auto with = [](auto change) {
        Submit submit = valid_submit();
        change(submit.job);
        return submit;
    };
    BOOST_TEST(!arrives(with([](Job& j) { j.target = Format::gif; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.target = Format::none; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.target = Format{77}; })));
    BOOST_TEST(arrives(with([](Job& j) { j.target = Format::compatible; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.quality.jpeg = 0; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.quality.webp = 101; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.quality.webp_effort = 7; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.quality.avif_effort = 10; })));
    BOOST_TEST(arrives(with([](Job& j) { j.quality.avif_effort = kEffortBySize; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.dpr = 24; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.dpr = 401; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.fit = Fit{5}; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.gravity = Gravity{10}; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.range = Range{4}; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.range_low = j.range_high; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.range_low = std::numeric_limits<float>::quiet_NaN(); })));
    BOOST_TEST(!arrives(with([](Job& j) { j.range_high = std::numeric_limits<float>::infinity(); })));
    BOOST_TEST(!arrives(with([](Job& j) { j.limits.frames = 0; })));
    BOOST_TEST(!arrives(with([](Job& j) { j.limits.time_ms = 0; })));
}

BOOST_AUTO_TEST_CASE(a_flag_is_0_or_1)
{
    // Done: id, then original.
    Bytes bytes = wire(Done{});
    BOOST_REQUIRE(decode(bytes).has_value());
    bytes[8 + sizeof(JobId)] = std::byte{2};
    BOOST_TEST(!decode(bytes).has_value());
}

BOOST_AUTO_TEST_CASE(only_a_source_and_a_result_bring_a_descriptor)
{
    BOOST_TEST(has_descriptor(Submit{}));
    BOOST_TEST(has_descriptor(Discard{}));
    BOOST_TEST(has_descriptor(Done{}));
    Done original;
    original.original = true;
    BOOST_TEST(!has_descriptor(original));
    BOOST_TEST(!has_descriptor(Hello{}));
    BOOST_TEST(!has_descriptor(Cancel{}));
    BOOST_TEST(!has_descriptor(Refused{}));
}

BOOST_AUTO_TEST_CASE(jobs_are_the_same_when_every_member_is)
{
    const Job job = valid_submit().job;
    Job other = job;
    BOOST_TEST(same_job(job, other));
    other.limits.time_ms += 1;
    BOOST_TEST(!same_job(job, other));
    other = job;
    other.background[1] += 1;
    BOOST_TEST(!same_job(job, other));
}

BOOST_AUTO_TEST_CASE(every_reason_has_a_name_and_only_those_of_the_source_last)
{
    for (auto n = static_cast<int>(Reason::not_an_image); n <= static_cast<int>(Reason::unavailable); ++n)
        BOOST_TEST(name_of(Reason{static_cast<std::uint8_t>(n)}) != std::string_view{"unknown"});
    BOOST_TEST(is_lasting(Reason::crashed));
    BOOST_TEST(!is_lasting(Reason::queue_full));
}

BOOST_AUTO_TEST_SUITE_END()

}

#include "websocket/close.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

namespace edge::websocket {

namespace {

std::string payload(std::uint16_t code, std::string_view reason = {})
{
    return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)}.append(reason);
}

}

BOOST_AUTO_TEST_SUITE(websocket_close)

BOOST_AUTO_TEST_CASE(codes_of_the_registry_and_of_applications_are_valid_and_no_others)
{
    // RFC 6455 section 7.4.2 and IANA's WebSocket Close Code Number Registry.
    std::size_t count = 0;
    for (std::uint32_t code = 0; code < 70000; ++code) {
        const bool valid = (code >= 1000 && code < 1015 && code != 1004 && code != 1005 && code != 1006) ||
                           (code >= 3000 && code < 5000);
        if (is_valid_close_code(code) != valid) BOOST_ERROR("code " << code);
        if (valid) ++count;
        if (code > 0xFFFF) continue;
        const std::string bytes = payload(static_cast<std::uint16_t>(code));
        const ParsedClose parsed = parse_close(as_bytes(bytes));
        if (parsed.violation.has_value() == valid) BOOST_ERROR("parsing code " << code);
        if (!valid && parsed.violation->code != CloseCode::protocol_error)
            BOOST_ERROR("violation of " << code);
    }
    BOOST_TEST(count == 2012u);
}

BOOST_AUTO_TEST_CASE(an_empty_payload_is_a_close_without_code)
{
    const ParsedClose parsed = parse_close({});
    BOOST_TEST(!parsed.violation.has_value());
    BOOST_TEST((parsed.close.code == CloseCode::no_code));
}

BOOST_AUTO_TEST_CASE(half_a_code_is_a_protocol_error)
{
    const ParsedClose parsed = parse_close(as_bytes("\x03"));
    BOOST_TEST((parsed.violation.value().code == CloseCode::protocol_error));
}

BOOST_AUTO_TEST_CASE(a_reason_is_utf8)
{
    const std::string good = payload(1000, "t\xC3\xBCr zu"), bad = payload(1000, "t\xC3");
    BOOST_TEST(parse_close(as_bytes(good)).close.reason == "t\xC3\xBCr zu");
    BOOST_TEST((parse_close(as_bytes(bad)).violation.value().code == CloseCode::bad_data));
}

BOOST_AUTO_TEST_CASE(what_is_made_is_what_is_parsed)
{
    const ClosePayload made{CloseCode::going_away, "bye"};
    BOOST_TEST(as_text(made.bytes()) == payload(1001, "bye"));
    const ParsedClose parsed = parse_close(made.bytes());
    BOOST_TEST((parsed.close.code == CloseCode::going_away));
    BOOST_TEST(parsed.close.reason == "bye");
}

BOOST_AUTO_TEST_CASE(a_long_reason_is_cut_between_characters)
{
    for (std::size_t before = 118; before < 126; ++before) {
        const std::string reason = std::string(before, 'x') + "\xF0\x9F\x98\x80\xF0\x9F\x98\x80";
        const ClosePayload made{CloseCode::normal, reason};
        BOOST_TEST(made.bytes().size() <= 125u);
        BOOST_TEST(made.bytes().size() >= 2 + std::min<std::size_t>(before, 120));
        BOOST_TEST(!parse_close(made.bytes()).violation.has_value());
    }
}

BOOST_AUTO_TEST_CASE(codes_that_may_not_be_sent_and_reasons_that_are_not_utf8_are_left_out)
{
    BOOST_TEST(ClosePayload(CloseCode::no_code, "x").bytes().empty());
    BOOST_TEST(ClosePayload(CloseCode::abnormal).bytes().empty());
    BOOST_TEST(as_text(ClosePayload(CloseCode::normal, "\xFF").bytes()) == payload(1000));
}

BOOST_AUTO_TEST_SUITE_END()

}

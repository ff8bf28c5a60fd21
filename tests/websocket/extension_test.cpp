#include "websocket/extension.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

namespace edge::websocket {

namespace {

// The response, or "-" if none.
std::string answer(std::string_view offers, const DeflateWishes& wishes = {})
{
    const auto agreed = negotiate_deflate(offers, wishes);
    if (!agreed) return "-";
    // What we say is what a client would understand.
    const UpstreamAnswer read = parse_upstream_answer(agreed->response);
    BOOST_TEST((read.kind == UpstreamAnswer::Kind::deflate), agreed->response);
    BOOST_TEST(read.parameters.client_context_takeover == agreed->parameters.client_context_takeover);
    BOOST_TEST(read.parameters.server_context_takeover == agreed->parameters.server_context_takeover);
    BOOST_TEST(read.parameters.client_max_window_bits == agreed->parameters.client_max_window_bits);
    BOOST_TEST(read.parameters.server_max_window_bits >= agreed->parameters.server_max_window_bits);
    return agreed->response;
}

const DeflateWishes kSmall{.server_context_takeover = true,
                           .client_context_takeover = true,
                           .server_window_bits = 12,
                           .client_window_bits = 11};
const DeflateWishes kForgetful{.server_context_takeover = false,
                               .client_context_takeover = false,
                               .server_window_bits = 15,
                               .client_window_bits = 15};

}

BOOST_AUTO_TEST_SUITE(websocket_extension)

BOOST_AUTO_TEST_CASE(offers_are_answered_as_rfc_7692_section_7_1_says)
{
    struct Row {
        const char* offers;
        const char* response;
    };
    const Row rows[] = {
        {"permessage-deflate", "permessage-deflate"},
        {"permessage-deflate; client_max_window_bits", "permessage-deflate"},  // browsers
        {"permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"},
        {"permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"},
        {"permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"},
        {"permessage-deflate; server_max_window_bits=8", "permessage-deflate; server_max_window_bits=8"},
        {"permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=15"},
        {"permessage-deflate; client_max_window_bits=9", "permessage-deflate; client_max_window_bits=9"},
        {"permessage-deflate; client_max_window_bits=15", "permessage-deflate"},
        {"permessage-deflate; server_max_window_bits=\"10\"",
         "permessage-deflate; server_max_window_bits=10"},
        {" permessage-deflate ;server_max_window_bits = 10\t; client_no_context_takeover",
         "permessage-deflate; client_no_context_takeover; server_max_window_bits=10"},
        // Section 7.1.3: the client's order of preference.
        {"permessage-deflate; server_max_window_bits=10, permessage-deflate",
         "permessage-deflate; server_max_window_bits=10"},
        {"x-webkit-deflate-frame, permessage-deflate; client_max_window_bits", "permessage-deflate"},
        {",, permessage-deflate,", "permessage-deflate"},
        // Illegal offers are declined; a legal one after them is not.
        {"permessage-deflate; unknown", "-"},
        {"permessage-deflate; server_max_window_bits", "-"},
        {"permessage-deflate; server_max_window_bits=7", "-"},
        {"permessage-deflate; server_max_window_bits=16", "-"},
        {"permessage-deflate; server_max_window_bits=010", "-"},
        {"permessage-deflate; server_max_window_bits=1x", "-"},
        {"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", "-"},
        {"permessage-deflate; client_max_window_bits=7", "-"},
        {"permessage-deflate; client_max_window_bits; client_max_window_bits", "-"},
        {"permessage-deflate; server_no_context_takeover=1", "-"},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", "-"},
        {"permessage-deflate; client_no_context_takeover=true", "-"},
        {"permessage-deflate; client_no_context_takeover; client_no_context_takeover", "-"},
        {"permessage-deflate; unknown, permessage-deflate; server_max_window_bits=99, permessage-deflate",
         "permessage-deflate"},
        {"Permessage-Deflate", "-"},
        {"", "-"},
        {"x", "-"},
        // Not the grammar: nothing of it is used.
        {"permessage-deflate; ", "-"},
        {"permessage-deflate; =", "-"},
        {"permessage-deflate; server_max_window_bits=", "-"},
        {"permessage-deflate; server_max_window_bits=\"10", "-"},
        {"permessage-deflate; server_max_window_bits=\"\"", "-"},
        {"permessage-deflate; server_max_window_bits=\"1 0\"", "-"},
        {"permessage-deflate permessage-deflate", "-"},
        {"permessage-deflate, ;", "-"},
        {"permessage-deflate, @", "-"},
    };
    for (const Row& row : rows)
        BOOST_TEST(answer(row.offers) == row.response, row.offers << ": " << answer(row.offers));
}

BOOST_AUTO_TEST_CASE(a_smaller_window_is_asked_of_a_client_only_if_it_offered_to_be_asked)
{
    BOOST_TEST(answer("permessage-deflate; client_max_window_bits", kSmall) ==
               "permessage-deflate; client_max_window_bits=11");
    BOOST_TEST(answer("permessage-deflate; client_max_window_bits=10", kSmall) ==
               "permessage-deflate; client_max_window_bits=10");
    BOOST_TEST(answer("permessage-deflate", kSmall) == "permessage-deflate");
    BOOST_TEST(negotiate_deflate("permessage-deflate", kSmall)->parameters.client_max_window_bits == 15);
}

BOOST_AUTO_TEST_CASE(the_edge_compresses_with_the_smaller_of_both_windows)
{
    BOOST_TEST(negotiate_deflate("permessage-deflate", kSmall)->parameters.server_max_window_bits == 12);
    BOOST_TEST(answer("permessage-deflate; server_max_window_bits=14", kSmall) ==
               "permessage-deflate; server_max_window_bits=12");
    BOOST_TEST(answer("permessage-deflate; server_max_window_bits=9", kSmall) ==
               "permessage-deflate; server_max_window_bits=9");
}

BOOST_AUTO_TEST_CASE(contexts_that_are_not_wanted_are_not_taken_over)
{
    BOOST_TEST(answer("permessage-deflate", kForgetful) ==
               "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
}

BOOST_AUTO_TEST_CASE(an_upstream_s_answer_is_understood)
{
    using Kind = UpstreamAnswer::Kind;
    struct Row {
        const char* value;
        Kind kind;
    };
    const Row rows[] = {
        {"", Kind::none},
        {"permessage-deflate", Kind::deflate},
        {"permessage-deflate; server_max_window_bits=9; client_max_window_bits=10", Kind::deflate},
        {"permessage-deflate; client_max_window_bits", Kind::other},  // a response needs the value
        {"permessage-deflate, permessage-deflate", Kind::other},
        {"permessage-deflate; x=1", Kind::other},
        {"x-webkit-deflate-frame", Kind::other},
        {";", Kind::other},
    };
    for (const Row& row : rows) BOOST_TEST((parse_upstream_answer(row.value).kind == row.kind), row.value);
    const DeflateParameters parameters =
        parse_upstream_answer("permessage-deflate; client_no_context_takeover; server_max_window_bits=9")
            .parameters;
    BOOST_TEST(!parameters.client_context_takeover);
    BOOST_TEST(parameters.server_context_takeover);
    BOOST_TEST(parameters.server_max_window_bits == 9);
    BOOST_TEST(parameters.client_max_window_bits == 15);
}

BOOST_AUTO_TEST_CASE(a_field_with_too_many_members_is_not_used)
{
    std::string many = "permessage-deflate";
    for (int i = 0; i < 100; ++i) many += ", a;b";
    BOOST_TEST(answer(many) == "-");
}

BOOST_AUTO_TEST_SUITE_END()

}

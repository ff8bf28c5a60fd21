#include "websocket/priority.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

namespace edge::websocket {

namespace {

using Kind = Packet::Kind;

PriorityRules rules(std::vector<std::string_view> arguments)
{
    auto parsed = PriorityRules::parse(arguments);
    BOOST_REQUIRE(std::holds_alternative<PriorityRules>(parsed));
    return std::get<PriorityRules>(std::move(parsed));
}

bool urgent(const PriorityRules& rules, std::string_view text, Opcode opcode = Opcode::text)
{
    return Classifier{&rules}.urgent(opcode, as_bytes(text), text.size());
}

}

BOOST_AUTO_TEST_SUITE(websocket_priority)

BOOST_AUTO_TEST_CASE(packets_are_told_apart)
{
    struct Row {
        const char* text;
        Kind kind;
        const char* space;
        const char* event;
        std::uint32_t attachments;
    };
    const Row rows[] = {
        {"2", Kind::transport, "/", "", 0},
        {"3", Kind::transport, "/", "", 0},
        {"1", Kind::transport, "/", "", 0},
        {"5", Kind::transport, "/", "", 0},
        {"6", Kind::transport, "/", "", 0},
        {"2probe", Kind::transport, "/", "", 0},
        {"3probe", Kind::transport, "/", "", 0},
        {R"(0{"sid":"x"})", Kind::transport, "/", "", 0},
        {"2x", Kind::none, "/", "", 0},
        {"22", Kind::none, "/", "", 0},
        {"", Kind::none, "/", "", 0},
        {"4", Kind::none, "/", "", 0},
        {"hello", Kind::none, "/", "", 0},
        {"40", Kind::other, "/", "", 0},
        {R"(43/admin,7["ok"])", Kind::other, "/", "", 0},
        {R"(42["progress",{"p":1}])", Kind::event, "/", "progress", 0},
        {R"(42["progress"])", Kind::event, "/", "progress", 0},
        {R"(4217["ask",1])", Kind::event, "/", "ask", 0},
        {R"(42/admin,["kick",1])", Kind::event, "/admin", "kick", 0},
        {R"(42/admin?t=1,12["kick",1])", Kind::event, "/admin", "kick", 0},
        {R"(451-["frame",{"_placeholder":true,"num":0}])", Kind::event, "/", "frame", 1},
        {R"(4512-/cam,3["frame"])", Kind::event, "/cam", "frame", 12},
        {R"(42[ "spaced",1])", Kind::event, "/", "spaced", 0},
        {R"(42["with \"quote\"",1])", Kind::event, "/", R"(with \"quote\")", 0},
        {R"(42["cut off)", Kind::other, "/", "", 0},
        {R"(42/admin)", Kind::other, "/", "", 0},
        {"42[1,2]", Kind::other, "/", "", 0},
        {"45[\"x\"]", Kind::other, "/", "", 0},
        {"42", Kind::other, "/", "", 0},
    };
    for (const Row& row : rows) {
        const Packet packet = parse_packet(row.text, true);
        BOOST_TEST((packet.kind == row.kind), row.text);
        BOOST_TEST(packet.space == row.space, row.text);
        BOOST_TEST(packet.event == row.event, row.text);
        BOOST_TEST(packet.attachments == row.attachments, row.text);
    }
}

BOOST_AUTO_TEST_CASE(the_beginning_of_a_longer_message_is_no_ping)
{
    BOOST_TEST((parse_packet("2", false).kind == Kind::none));
}

BOOST_AUTO_TEST_CASE(an_event_name_is_looked_for_near_the_beginning_only)
{
    const std::string far = "42[\"" + std::string(kPeek, 'x') + "\",1]";
    BOOST_TEST((parse_packet(far, true).kind == Kind::other));
}

BOOST_AUTO_TEST_CASE(engine_io_packets_are_urgent_without_any_rule)
{
    Classifier none{nullptr};
    BOOST_TEST(none.urgent(Opcode::text, as_bytes("2"), 1));
    BOOST_TEST(!none.urgent(Opcode::text, as_bytes("42[\"e\"]"), 7));
    BOOST_TEST(!none.urgent(Opcode::binary, as_bytes("2"), 1));
    BOOST_TEST(!urgent(rules({"engineio=off"}), "2"));
}

BOOST_AUTO_TEST_CASE(rules_match_what_they_name)
{
    const auto by_event = rules({"event=done", "event=/admin,kick"});
    BOOST_TEST(urgent(by_event, R"(42["done",1])"));
    BOOST_TEST(urgent(by_event, R"(42/any,["done",1])"));
    BOOST_TEST(urgent(by_event, R"(42/admin,["kick",1])"));
    BOOST_TEST(!urgent(by_event, R"(42["kick",1])"));
    BOOST_TEST(!urgent(by_event, R"(42["done2",1])"));
    BOOST_TEST(!urgent(by_event, R"(42["progress","done"])"));

    BOOST_TEST(urgent(rules({"prefix=!"}), "!now"));
    BOOST_TEST(!urgent(rules({"prefix=!"}), "not now!"));
    BOOST_TEST(urgent(rules({"binary"}), "x", Opcode::binary));
    BOOST_TEST(!urgent(rules({"binary"}), "x"));

    const auto by_size = rules({"smaller=3", "larger=1k"});
    BOOST_TEST(urgent(by_size, "ab"));
    BOOST_TEST(!urgent(by_size, "abc"));
    BOOST_TEST(!urgent(by_size, std::string(1024, 'x')));
    BOOST_TEST(urgent(by_size, std::string(1025, 'x')));
}

BOOST_AUTO_TEST_CASE(attachments_of_an_urgent_event_are_urgent_too)
{
    const auto by_event = rules({"event=frame"});
    Classifier classifier{&by_event};
    const auto text = [&](std::string_view t) {
        return classifier.urgent(Opcode::text, as_bytes(t), t.size());
    };
    const auto binary = [&] { return classifier.urgent(Opcode::binary, as_bytes("b"), 1); };
    BOOST_TEST(text(R"(452-["frame"])"));
    BOOST_TEST(binary());
    BOOST_TEST(binary());
    BOOST_TEST(!binary());
    BOOST_TEST(!text(R"(451-["other"])"));
    BOOST_TEST(!binary());
    BOOST_TEST(text(R"(451-["frame"])"));
    BOOST_TEST(!text("anything"));
    BOOST_TEST(!binary());
}

BOOST_AUTO_TEST_CASE(an_argument_that_is_none_is_named_with_what_would_be_right)
{
    for (const std::string_view argument :
         {"event=", "event=/ns,", "event", "prefix=", "smaller=", "smaller=x", "larger=1g", "larger=-1",
          "binary=1", "engineio=maybe", "what", ""}) {
        const auto parsed = PriorityRules::parse(std::vector<std::string_view>{argument});
        BOOST_REQUIRE_MESSAGE(std::holds_alternative<std::string>(parsed), argument);
        const std::string& error = std::get<std::string>(parsed);
        BOOST_TEST(error.find("\"" + std::string{argument} + "\"") != std::string::npos, error);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}

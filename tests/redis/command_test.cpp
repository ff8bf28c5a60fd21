#include "redis/command.hpp"

#include <cstring>

#include <boost/test/unit_test.hpp>

extern "C" {
#include <hiredis/hiredis.h>
}

using namespace edge::redis;

BOOST_AUTO_TEST_SUITE(redis_command)

namespace {

/// What hiredis makes of the same arguments.
std::string by_hiredis(const std::vector<std::string>& arguments)
{
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const std::string& argument : arguments) {
        texts.push_back(argument.data());
        sizes.push_back(argument.size());
    }
    char* formatted = nullptr;
    const auto size =
        redisFormatCommandArgv(&formatted, static_cast<int>(texts.size()), texts.data(), sizes.data());
    const std::string out{formatted, static_cast<std::size_t>(size)};
    redisFreeCommand(formatted);
    return out;
}

std::string whole(const Command& command)
{
    std::string out{command.head()};
    for (const auto piece : command.value().pieces)
        out.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return out.append(command.tail());
}

std::span<const std::byte> bytes_of(const std::string& text)
{
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}

BOOST_AUTO_TEST_CASE(a_command_is_what_hiredis_makes_of_it)
{
    const std::string binary{"\0\r\n$3\xff", 7};
    BOOST_TEST(whole(Command{"PING"}) == by_hiredis({"PING"}));
    BOOST_TEST(whole(Command{"GET", ""}) == by_hiredis({"GET", ""}));
    BOOST_TEST(whole(Command{"SET", "k", binary}) == by_hiredis({"SET", "k", binary}));
    const std::vector<std::string> many(1234, "argument");
    const std::vector<std::string_view> views{many.begin(), many.end()};
    BOOST_TEST(whole(Command{std::span{views}}) == by_hiredis(many));
}

BOOST_AUTO_TEST_CASE(borrowed_pieces_are_one_argument)
{
    const std::string first(70000, 'a');
    const std::string second = "b\r\n";
    const Command command =
        Command::carrying({"SET", "key"}, {{bytes_of(first), {}, bytes_of(second)}, nullptr}, {"PX", "1000"});
    BOOST_TEST(whole(command) == by_hiredis({"SET", "key", first + second, "PX", "1000"}));
    BOOST_TEST(command.size() == whole(command).size());
    BOOST_TEST(command.value().pieces[0].data() == bytes_of(first).data());  // not copied
}

BOOST_AUTO_TEST_CASE(an_empty_value_is_an_argument_too)
{
    const Command command = Command::carrying({"SET", "key"}, {}, {});
    BOOST_TEST(whole(command) == by_hiredis({"SET", "key", ""}));
    BOOST_TEST(command.has_value());
    BOOST_TEST(!Command{"PING"}.has_value());
}

BOOST_AUTO_TEST_CASE(copies_hold_what_is_borrowed)
{
    auto kept = std::make_shared<std::string>("value");
    const std::weak_ptr<std::string> alive = kept;
    auto command = std::make_unique<Command>(Command::carrying({"SET", "k"}, {{bytes_of(*kept)}, kept}, {}));
    kept.reset();
    const auto copy = std::make_unique<Command>(*command);
    command.reset();
    BOOST_TEST(!alive.expired());
    BOOST_TEST(whole(*copy) == by_hiredis({"SET", "k", "value"}));
}

BOOST_AUTO_TEST_SUITE_END()

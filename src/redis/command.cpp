#include "redis/command.hpp"

#include <charconv>
#include <utility>

namespace edge::redis {

namespace {

void append_count(std::string& out, char kind, std::size_t n)
{
    char digits[24];
    const char* end = std::to_chars(digits, digits + sizeof(digits), n).ptr;
    out += kind;
    out.append(digits, static_cast<std::size_t>(end - digits)).append("\r\n");
}

void append_argument(std::string& out, std::string_view text)
{
    append_count(out, '$', text.size());
    out.append(text).append("\r\n");
}

std::size_t room_for(std::span<const std::string_view> arguments) noexcept
{
    std::size_t size = 16;
    for (const std::string_view text : arguments) size += text.size() + 16;
    return size;
}

}

std::size_t Borrowed::size() const noexcept
{
    std::size_t size = 0;
    for (const auto piece : pieces) size += piece.size();
    return size;
}

Command::Command(std::span<const std::string_view> arguments)
{
    head_.reserve(room_for(arguments));
    append_count(head_, '*', arguments.size());
    for (const std::string_view text : arguments) append_argument(head_, text);
}

Command Command::carrying(std::initializer_list<std::string_view> before, Borrowed value,
                          std::initializer_list<std::string_view> after)
{
    Command command;
    std::string& head = command.head_;
    std::string& tail = command.tail_;
    head.reserve(room_for({before.begin(), before.size()}) + 16);
    append_count(head, '*', before.size() + 1 + after.size());
    for (const std::string_view text : before) append_argument(head, text);
    append_count(head, '$', value.size());
    tail.reserve(room_for({after.begin(), after.size()}));
    tail.append("\r\n");
    for (const std::string_view text : after) append_argument(tail, text);
    command.value_ = std::move(value);
    return command;
}

}

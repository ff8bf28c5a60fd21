#include "render/process/options.hpp"

#include <charconv>
#include <string_view>

namespace edge::render {

namespace {

std::optional<std::uint64_t> number(std::string_view text, std::uint64_t least, std::uint64_t most)
{
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
        return std::nullopt;
    return value;
}

constexpr std::uint64_t kMostDescriptor = 100'000;

bool parse_sockets(std::string_view text, std::vector<int>& sockets)
{
    for (;;) {
        const std::size_t comma = text.find(',');
        const auto fd = number(text.substr(0, comma), 0, kMostDescriptor);
        if (!fd) return false;
        sockets.push_back(static_cast<int>(*fd));
        if (comma == std::string_view::npos) return true;
        text.remove_prefix(comma + 1);
    }
}

template <class Number>
bool parse_into(Number& to, std::string_view text, std::uint64_t least, std::uint64_t most)
{
    const auto value = number(text, least, most);
    if (value) to = static_cast<Number>(*value);
    return value.has_value();
}

}

std::variant<Options, std::string> parse_options(std::span<char* const> arguments)
{
    constexpr std::uint64_t kLeastMemory = 64ULL << 20;
    constexpr std::uint64_t kMostMemory = 1ULL << 40;
    if (arguments.empty()) return "give --supervisor; nginx-edge starts this program itself";
    const std::string_view mode = arguments[0];
    if (mode != "--supervisor" && mode != "--render") return "the first argument has to be --supervisor";
    SupervisorOptions supervisor;
    RenderOptions render;
    for (std::size_t i = 1; i < arguments.size(); i += 2) {
        const std::string_view name = arguments[i];
        if (i + 1 == arguments.size()) return std::string{name} + " needs a value";
        const std::string_view value = arguments[i + 1];
        bool good = false;
        if (name == "--memory")
            good = parse_into(supervisor.memory, value, kLeastMemory, kMostMemory);
        else if (mode == "--render" && name == "--fd")
            good = parse_into(render.socket, value, 0, kMostDescriptor);
        else if (mode == "--supervisor" && name == "--fds")
            good = parse_sockets(value, supervisor.sockets);
        else if (mode == "--supervisor" && name == "--alive")
            good = parse_into(supervisor.alive, value, 0, kMostDescriptor);
        else if (mode == "--supervisor" && name == "--processes")
            good = parse_into(supervisor.processes, value, 1, 64);
        else if (mode == "--supervisor" && name == "--queue")
            good = parse_into(supervisor.queue, value, 1, 100'000);
        else if (mode == "--supervisor" && name == "--jobs")
            good = parse_into(supervisor.jobs, value, 1, 1'000'000);
        else
            return "unknown argument " + std::string{name};
        if (!good) return std::string{name} + " can't be " + std::string{value};
    }
    if (mode == "--render") {
        render.memory = supervisor.memory;
        if (render.socket < 0) return "--render needs --fd";
        return render;
    }
    if (supervisor.sockets.empty()) return "--supervisor needs --fds";
    return supervisor;
}

}

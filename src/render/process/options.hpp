#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

/// The program's arguments: see image/protocol.hpp for what they mean.
namespace edge::render {

struct SupervisorOptions {
    std::vector<int> sockets;
    int alive = -1;  ///< -1: none (tests)
    unsigned processes = 2;
    std::uint64_t memory = 1ULL << 30;
    std::uint32_t queue = 256;
    std::uint32_t jobs = 500;
};

/// A render process is started by its supervisor only.
struct RenderOptions {
    int socket = -1;
    std::uint64_t memory = 1ULL << 30;
};

using Options = std::variant<SupervisorOptions, RenderOptions>;

/// A text says what is wrong. `arguments`: without the program's name.
std::variant<Options, std::string> parse_options(std::span<char* const> arguments);

}

#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Commands as bytes: RESP arrays of bulk strings.
namespace edge::redis {

/// Memory of somebody else's that goes out as one argument without being copied.
struct Borrowed {
    std::vector<std::span<const std::byte>> pieces;
    /// Keeps what they point into; let go of when the command has been answered, or never will be.
    std::shared_ptr<const void> keep;

    std::size_t size() const noexcept;
};

/// One command, formatted. Copies share what is borrowed.
class Command {
public:
    Command() = default;
    Command(std::initializer_list<std::string_view> arguments)
        : Command{std::span{arguments.begin(), arguments.size()}}
    {}
    explicit Command(std::span<const std::string_view> arguments);
    /// `value` is an argument of its own between the others: SET key VALUE PX 1000.
    static Command carrying(std::initializer_list<std::string_view> before, Borrowed value,
                            std::initializer_list<std::string_view> after);

    std::string_view head() const noexcept { return head_; }   ///< the bytes up to what is borrowed
    const Borrowed& value() const noexcept { return value_; }  ///< without pieces: nothing
    std::string_view tail() const noexcept { return tail_; }   ///< the bytes after it
    bool has_value() const noexcept { return !tail_.empty(); }
    std::size_t size() const noexcept { return head_.size() + value_.size() + tail_.size(); }

private:
    std::string head_;
    Borrowed value_;
    std::string tail_;
};

}

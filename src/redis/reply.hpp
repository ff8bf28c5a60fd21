#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "redis/memory.hpp"

/// RESP2 replies. Strings are read in place; all else is read by hiredis' reader (0.14 and 1.x), without its
/// connections and its reply objects.
namespace edge::redis {

/// One reply as a view, valid only in the call that hands it over.
struct Reply {
    enum class Type : std::uint8_t { nil, string, status, error, integer, array };

    Type type = Type::nil;
    std::string_view text;  ///< of a string, status or error
    std::int64_t integer = 0;
    std::span<const Reply> elements{};  ///< of an array
    /// Where `text` lies when that is memory of its own, which the receiver may take.
    Memory* memory = nullptr;
    /// Where `text` lies together with others, when that may be kept.
    const SharedMemory* shared = nullptr;

    bool is_nil() const noexcept { return type == Type::nil; }
    bool is_string() const noexcept { return type == Type::string; }
    bool is_error() const noexcept { return type == Type::error; }
    bool is_integer() const noexcept { return type == Type::integer; }
    bool is_array() const noexcept { return type == Type::array; }
    /// Whether it is the error with this code, the first word: error_is("MOVED").
    bool error_is(std::string_view code) const noexcept
    {
        return is_error() && text.starts_with(code) &&
               (text.size() == code.size() || text[code.size()] == ' ');
    }
};

/// What no reply may exceed; more is taken for garbage, before memory is spent on it.
struct ReplyLimits {
    std::size_t bytes = std::size_t{16} * 1024 * 1024;  ///< of a bulk string, or of all within an array
    std::size_t elements = 100'000;                     ///< of one array
};

/// Takes the bytes of one connection as they come and hands over each complete reply.
class ReplyReader {
public:
    /// `reply` and what it points to are valid in the call only: a string lies in the bytes that were fed, or
    /// in memory of its own when it came in pieces. The call may do anything but feed or destroy the reader.
    using Sink = void (*)(void* owner, const Reply& reply) noexcept;

    /// Throws std::bad_alloc.
    ReplyReader(Sink sink, void* owner, const ReplyLimits& limits = {});
    ~ReplyReader();
    ReplyReader(const ReplyReader&) = delete;
    ReplyReader& operator=(const ReplyReader&) = delete;

    /// Where the next bytes may be read to without being fed: the rest of a string that is not part of an
    /// array. Empty: there is none. After reading, take() says how many there are.
    std::span<char> room() noexcept;
    /// As feed().
    bool take(std::size_t n) noexcept;
    /// false: this is no RESP, or more than the limits allow, or there is no memory; nothing may be fed any
    /// more and error() says why. `shared`: nullptr, or whose memory the bytes are.
    bool feed(std::string_view bytes, const SharedMemory* shared = nullptr) noexcept;
    /// From within the sink: nothing more is handed over.
    void stop() noexcept;
    std::string_view error() const noexcept;

private:
    class Header;
    struct State;
    bool take_strings(std::string_view& bytes, const SharedMemory* shared) noexcept;
    bool complete_header(std::string_view& bytes, const SharedMemory* shared) noexcept;
    bool take_string(std::string_view& bytes, std::size_t size, const SharedMemory* shared) noexcept;
    bool refuse(std::string_view why) noexcept;
    std::unique_ptr<State> state_;
};

}

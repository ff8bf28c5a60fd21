#include "redis/reply.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory_resource>
#include <new>
#include <optional>
#include <utility>

extern "C" {
#include <hiredis/read.h>
}

namespace edge::redis {

namespace {

// hiredis wants an object for each reply; those handed over at once need none.
constexpr char kHandedOver = 0;
constexpr std::size_t kLarge = 8 * 1024;

}

struct ReplyReader::State {
    Sink sink;
    void* owner;
    ReplyLimits limits;
    redisReader* reader = nullptr;
    std::pmr::monotonic_buffer_resource arena;  ///< of the array that is being read
    std::size_t used = 0;                       ///< bytes of it
    Reply root;
    std::string_view error;
    bool stopped = false;
    std::unique_ptr<char[]> large;  ///< a large string with the line end after it
    std::size_t large_size = 0;     ///< 0: there is none
    std::size_t large_have = 0;

    State(Sink to, void* whose, const ReplyLimits& most) : sink{to}, owner{whose}, limits{most} {}
    ~State()
    {
        if (reader != nullptr) redisReaderFree(reader);
    }

    static State& of(const redisReadTask* task) noexcept { return *static_cast<State*>(task->privdata); }

    void* allocate(std::size_t bytes) noexcept
    {
        if (bytes > limits.bytes - used) {
            error = "a reply is larger than any there should be";
            return nullptr;
        }
        used += bytes;
        try {
            return arena.allocate(bytes, alignof(Reply));
        } catch (...) {
            error = "out of memory";
            return nullptr;
        }
    }
    /// A complete reply, or one element of an array. nullptr makes hiredis give up.
    void* put(const redisReadTask* task, const Reply& reply) noexcept
    {
        if (task->parent == nullptr) {
            if (!stopped) sink(owner, reply);
            return const_cast<char*>(&kHandedOver);
        }
        const Reply& array = *static_cast<const Reply*>(task->parent->obj);
        Reply& slot = const_cast<Reply&>(array.elements[static_cast<std::size_t>(task->idx)]);
        slot = reply;
        return &slot;
    }
    void* put_text(const redisReadTask* task, std::string_view text) noexcept
    {
        Reply reply;
        reply.type = task->type == REDIS_REPLY_ERROR    ? Reply::Type::error
                     : task->type == REDIS_REPLY_STATUS ? Reply::Type::status
                                                        : Reply::Type::string;
        if (task->parent != nullptr && !text.empty()) {
            auto* copy = static_cast<char*>(allocate(text.size()));
            if (copy == nullptr) return nullptr;
            std::memcpy(copy, text.data(), text.size());
            text = {copy, text.size()};
        }
        reply.text = text;
        return put(task, reply);
    }
    void* begin_array(const redisReadTask* task, std::size_t elements) noexcept
    {
        Reply array;
        array.type = Reply::Type::array;
        if (elements > limits.elements) {
            error = "an array is larger than any there should be";
            return nullptr;
        }
        if (elements != 0) {
            auto* slots = static_cast<Reply*>(allocate(elements * sizeof(Reply)));
            if (slots == nullptr) return nullptr;
            array.elements = {new (slots) Reply[elements], elements};
        }
        if (task->parent != nullptr) return put(task, array);
        if (elements == 0) return put(task, array);
        root = array;
        return &root;
    }
};

namespace {

// Templates, as the number's type differs between the releases of hiredis.
template <class State>
struct Functions {
    static void* string(const redisReadTask* task, char* text, std::size_t size) noexcept
    {
        return State::of(task).put_text(task, {text, size});
    }
    template <class Count>
    static void* array(const redisReadTask* task, Count elements) noexcept
    {
        return State::of(task).begin_array(task, static_cast<std::size_t>(elements));
    }
    static void* integer(const redisReadTask* task, long long value) noexcept
    {
        Reply reply;
        reply.type = Reply::Type::integer;
        reply.integer = value;
        return State::of(task).put(task, reply);
    }
    static void* nil(const redisReadTask* task) noexcept { return State::of(task).put(task, Reply{}); }
    static void release(void*) noexcept {}
};

/// The length a bulk string at the front announces; 0: none, or none that is a length. std::nullopt: its
/// header is not complete.
std::optional<std::size_t> announced(std::string_view bytes) noexcept
{
    constexpr std::size_t kLongestHeader = 32;
    if (!bytes.starts_with('$')) return 0;
    const std::string_view header = bytes.substr(0, kLongestHeader);
    if (header.find('\n') == header.npos && bytes.size() < kLongestHeader) return std::nullopt;
    std::size_t length = 0;
    const auto result = std::from_chars(header.data() + 1, header.data() + header.size(), length);
    return result.ec == std::errc::result_out_of_range ? SIZE_MAX : length;
}

}

ReplyReader::ReplyReader(Sink sink, void* owner, const ReplyLimits& limits)
    : state_{std::make_unique<State>(sink, owner, limits)}
{
    using Make = Functions<State>;
    static redisReplyObjectFunctions functions = [] {
        redisReplyObjectFunctions made{};  // 1.x has members that 0.14 has not
        made.createString = Make::string;
        made.createArray = Make::array;
        made.createInteger = Make::integer;
        made.createNil = Make::nil;
        made.freeObject = Make::release;
        return made;
    }();
    state_->reader = redisReaderCreateWithFunctions(&functions);
    if (state_->reader == nullptr) throw std::bad_alloc{};
    state_->reader->privdata = state_.get();
}

ReplyReader::~ReplyReader() = default;

/// `bytes` are what has come of the next reply. When that is a large string whose end has not come, it is
/// collected here and not by hiredis.
bool ReplyReader::begin_large(std::string_view bytes) noexcept
{
    State& state = *state_;
    const auto length = announced(bytes);
    if (!length || *length < kLarge || *length > state.limits.bytes) return false;
    const std::size_t header = bytes.find("\r\n") + 2;
    if (header < 2 || bytes.size() - header >= *length + 2) return false;
    char digits[24];
    const auto written = std::to_chars(digits, digits + sizeof(digits), *length);
    if (bytes.substr(1, header - 3) !=
        std::string_view{digits, static_cast<std::size_t>(written.ptr - digits)})
        return false;  // what stands there is hiredis' to judge
    state.large.reset(new (std::nothrow) char[*length + 2]);
    if (!state.large) return false;
    state.large_size = *length + 2;
    state.large_have = bytes.size() - header;
    std::memcpy(state.large.get(), bytes.data() + header, state.large_have);
    return true;
}

std::span<char> ReplyReader::room() noexcept
{
    State& state = *state_;
    return {state.large.get() + state.large_have, state.large_size - state.large_have};
}

bool ReplyReader::take(std::size_t n) noexcept
{
    State& state = *state_;
    if (!state.error.empty()) return false;
    state.large_have += n;
    if (state.large_have < state.large_size) return true;
    const auto string = std::exchange(state.large, nullptr);
    const std::size_t size = std::exchange(state.large_size, 0) - 2;
    state.large_have = 0;
    if (string[size] != '\r' || string[size + 1] != '\n') {
        state.error = "a string is longer than it should be";
        return false;
    }
    Reply reply;
    reply.type = Reply::Type::string;
    reply.text = {string.get(), size};
    if (!state.stopped) state.sink(state.owner, reply);
    return true;
}

bool ReplyReader::feed(std::string_view bytes) noexcept
{
    State& state = *state_;
    redisReader* reader = state.reader;
    if (!state.error.empty()) return false;
    if (state.large_size != 0) {
        const std::span<char> into = room();
        const std::size_t n = std::min(into.size(), bytes.size());
        std::memcpy(into.data(), bytes.data(), n);
        if (!take(n)) return false;
        bytes.remove_prefix(n);
    }
    if (bytes.empty() || state.stopped) return true;
    const bool between = reader->ridx < 0 && reader->pos == reader->len;
    if (between && begin_large(bytes)) return true;
    if (redisReaderFeed(reader, bytes.data(), bytes.size()) != REDIS_OK) {
        state.error = "out of memory";
        return false;
    }
    for (;;) {
        // Between two replies: what announces too much is refused while there is but its header.
        if (reader->ridx < 0) {
            const std::string_view rest{reader->buf + reader->pos, reader->len - reader->pos};
            if (rest.empty()) break;
            if (begin_large(rest)) {
                reader->pos = reader->len;
                break;
            }
            const auto length = announced(rest);
            if (!length) break;
            if (*length > state.limits.bytes) {
                state.error = "a reply is larger than any there should be";
                return false;
            }
        }
        void* made = nullptr;
        if (redisReaderGetReply(reader, &made) != REDIS_OK) {
            if (state.error.empty()) state.error = reader->errstr;
            return false;
        }
        if (made == nullptr) break;
        if (made == &state.root) {
            if (!state.stopped) state.sink(state.owner, state.root);
            state.arena.release();
            state.used = 0;
        } else if (made != &kHandedOver) {
            state.error = "a reply of a kind that RESP2 has not";
            return false;
        }
        if (state.stopped) break;
    }
    if (reader->len - reader->pos > state.limits.bytes + 64) {
        state.error = "a reply is larger than any there should be";
        return false;
    }
    return true;
}

void ReplyReader::stop() noexcept
{
    state_->stopped = true;
}

std::string_view ReplyReader::error() const noexcept
{
    return state_->error;
}

}

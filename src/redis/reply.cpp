#include "redis/reply.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <memory_resource>
#include <new>
#include <utility>

extern "C" {
#include <hiredis/read.h>
}

namespace edge::redis {

namespace {

// hiredis wants an object for each reply; those handed over at once need none.
constexpr char kHandedOver = 0;
constexpr std::size_t kLongestHeader = 32;
constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kTooLarge = "a reply is larger than any there should be";
constexpr std::string_view kTooLong = "a string is longer than it should be";

}

/// Of a string, as long as it is not complete.
class ReplyReader::Header {
public:
    std::string_view view() const noexcept { return {bytes_.data(), size_}; }
    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    void append(std::string_view more) noexcept
    {
        size_ += more.copy(bytes_.data() + size_, bytes_.size() - size_);
    }
    void cut(std::size_t size) noexcept { size_ = size; }

private:
    std::array<char, kLongestHeader> bytes_;
    std::size_t size_ = 0;
};

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
    Header header;
    Memory cut;                ///< a string whose end has not come, with the line end after it
    std::size_t cut_size = 0;  ///< 0: there is none
    std::size_t cut_have = 0;

    State(Sink to, void* whose, const ReplyLimits& most) : sink{to}, owner{whose}, limits{most} {}
    ~State()
    {
        if (reader != nullptr) redisReaderFree(reader);
    }

    static State& of(const redisReadTask* task) noexcept { return *static_cast<State*>(task->privdata); }

    void* allocate(std::size_t bytes) noexcept
    {
        if (bytes > limits.bytes - used) {
            error = kTooLarge;
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

/// What a reply begins with.
struct Announced {
    enum class What : std::uint8_t {
        other,    ///< no string, or one that hiredis shall judge
        unknown,  ///< the header of a string that is not complete
        string,
    };
    What what = What::other;
    std::size_t header = 0;  ///< bytes before the string
    std::size_t size = 0;    ///< of the string
};

Announced announced(std::string_view bytes) noexcept
{
    using What = Announced::What;
    if (!bytes.starts_with('$')) return {};
    const std::string_view header = bytes.substr(0, kLongestHeader);
    const std::size_t end = header.find('\n');
    if (end == header.npos) return {header.size() < kLongestHeader ? What::unknown : What::other};
    // Just digits: all else that a number can be is left to hiredis.
    if (end < 3 || header[end - 1] != '\r' || (header[1] == '0' && end != 3)) return {};
    std::size_t size = 0;
    const auto result = std::from_chars(header.data() + 1, header.data() + end - 1, size);
    if (result.ec == std::errc::result_out_of_range) return {What::string, end + 1, SIZE_MAX};
    if (result.ec != std::errc{} || result.ptr != header.data() + end - 1) return {};
    return {What::string, end + 1, size};
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

/// Strings are what comes most, and what is large: between two replies those at the front of `bytes` are
/// handed over where they lie; one whose end has not come is collected here. What is left then is hiredis'.
bool ReplyReader::take_strings(std::string_view& bytes, const SharedMemory* shared) noexcept
{
    while (!bytes.empty() && !state_->stopped) {
        const Announced next = announced(bytes);
        if (next.what == Announced::What::other) break;
        if (next.what == Announced::What::unknown) {
            state_->header.append(bytes);
            bytes = {};
            break;
        }
        bytes.remove_prefix(next.header);
        if (!take_string(bytes, next.size, shared)) return false;
    }
    return true;
}

/// The header's beginning came with earlier bytes.
bool ReplyReader::complete_header(std::string_view& bytes, const SharedMemory* shared) noexcept
{
    Header& header = state_->header;
    const std::size_t before = header.size();
    header.append(bytes.substr(0, kLongestHeader - before));
    const Announced next = announced(header.view());
    if (next.what == Announced::What::unknown) {
        bytes = {};
        return true;
    }
    header.cut(next.what == Announced::What::other ? before : 0);
    if (next.what == Announced::What::other) return true;
    bytes.remove_prefix(next.header - before);
    return take_string(bytes, next.size, shared);
}

/// `bytes` are what has come of a string of `size` bytes and of what follows it.
bool ReplyReader::take_string(std::string_view& bytes, std::size_t size, const SharedMemory* shared) noexcept
{
    State& state = *state_;
    if (size > state.limits.bytes) return refuse(kTooLarge);
    const std::size_t whole = size + kLineEnd.size();
    if (bytes.size() < whole) {
        state.cut = take_memory(whole);
        if (!state.cut) return refuse("out of memory");
        state.cut_size = whole;
        state.cut_have = bytes.size();
        std::memcpy(state.cut.get(), bytes.data(), bytes.size());
        bytes = {};
        return true;
    }
    if (bytes.substr(size, kLineEnd.size()) != kLineEnd) return refuse(kTooLong);
    Reply reply;
    reply.type = Reply::Type::string;
    reply.text = bytes.substr(0, size);
    reply.shared = shared;
    bytes.remove_prefix(whole);
    state.sink(state.owner, reply);
    return true;
}

bool ReplyReader::refuse(std::string_view why) noexcept
{
    if (state_->error.empty()) state_->error = why;
    return false;
}

std::span<char> ReplyReader::room() noexcept
{
    State& state = *state_;
    return {state.cut.get() + state.cut_have, state.cut_size - state.cut_have};
}

bool ReplyReader::take(std::size_t n) noexcept
{
    State& state = *state_;
    if (!state.error.empty()) return false;
    state.cut_have += n;
    if (state.cut_have < state.cut_size) return true;
    Memory string = std::exchange(state.cut, {});
    const std::size_t size = std::exchange(state.cut_size, 0) - kLineEnd.size();
    state.cut_have = 0;
    if (std::string_view{string.get() + size, kLineEnd.size()} != kLineEnd) return refuse(kTooLong);
    Reply reply;
    reply.type = Reply::Type::string;
    reply.text = {string.get(), size};
    reply.memory = &string;
    if (!state.stopped) state.sink(state.owner, reply);
    return true;
}

bool ReplyReader::feed(std::string_view bytes, const SharedMemory* shared) noexcept
{
    State& state = *state_;
    redisReader* reader = state.reader;
    if (!state.error.empty()) return false;
    if (state.cut_size != 0) {
        const std::span<char> into = room();
        const std::size_t n = std::min(into.size(), bytes.size());
        std::memcpy(into.data(), bytes.data(), n);
        if (!take(n)) return false;
        bytes.remove_prefix(n);
    }
    if (!state.header.empty() && !complete_header(bytes, shared)) return false;
    const bool between = reader->ridx < 0 && reader->pos == reader->len && state.header.empty();
    if (between && !take_strings(bytes, shared)) return false;
    if (bytes.empty() || state.stopped) return true;

    for (const std::string_view part : {state.header.view(), bytes}) {
        if (redisReaderFeed(reader, part.data(), part.size()) != REDIS_OK) return refuse("out of memory");
    }
    state.header.cut(0);
    // Each time it is fed it is asked for a reply at least once, which makes it drop what was read.
    do {
        void* made = nullptr;
        if (redisReaderGetReply(reader, &made) != REDIS_OK) return refuse(reader->errstr);
        if (made == nullptr) break;
        if (made == &state.root) {
            if (!state.stopped) state.sink(state.owner, state.root);
            state.arena.release();
            state.used = 0;
        } else if (made != &kHandedOver) {
            return refuse("a reply of a kind that RESP2 has not");
        }
        std::string_view rest{reader->buf + reader->pos, reader->len - reader->pos};
        if (!take_strings(rest, nullptr)) return false;
        reader->pos = reader->len - rest.size();
    } while (reader->pos != reader->len && !state.stopped);
    if (reader->len - reader->pos > state.limits.bytes + 64) return refuse(kTooLarge);
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

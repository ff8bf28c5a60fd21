#include "websocket/glue/websocket_conf.hpp"

#include <algorithm>
#include <ctime>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::websocket {

namespace {

constexpr std::int64_t kMostPing = 24 * 3600 * 1000;

char* error() noexcept
{
    return static_cast<char*>(NGX_CONF_ERROR);
}

char* duplicate() noexcept
{
    return const_cast<char*>("is duplicate");
}

std::span<ngx_str_t> arguments(ngx_conf_t* cf) noexcept
{
    return {static_cast<ngx_str_t*>(cf->args->elts) + 1, cf->args->nelts - 1};
}

const ngx_str_t& directive_name(ngx_conf_t* cf) noexcept
{
    return *static_cast<ngx_str_t*>(cf->args->elts);
}

/// "off" and nothing else.
bool says_off(ngx_conf_t* cf) noexcept
{
    const auto args = arguments(cf);
    return args.size() == 1 && ngx::view(args[0]) == "off";
}

/// The name=value arguments of one directive. Every member function logs what is wrong and returns false; the
/// directive is then refused.
class Options {
public:
    /// The first `taken` arguments are none of them.
    explicit Options(ngx_conf_t* cf, std::size_t taken = 0) : cf_{cf}, left_(arguments(cf).size(), true)
    {
        std::fill_n(left_.begin(), taken, false);
    }

    /// The value of name=, marked as understood; data nullptr: not given.
    bool take(std::string_view name, ngx_str_t& value)
    {
        const auto args = arguments(cf_);
        for (std::size_t i = 0; i < args.size(); ++i) {
            const std::string_view arg = ngx::view(args[i]);
            if (arg.size() <= name.size() || !arg.starts_with(name) || arg[name.size()] != '=') continue;
            left_[i] = false;
            if (value.data != nullptr) {
                const ngx_str_t text = ngx::str(name);
                ngx_conf_log_error(NGX_LOG_EMERG, cf_, 0, "%V: %V= is given twice", &directive_name(cf_),
                                   &text);
                return false;
            }
            value = {args[i].len - name.size() - 1, args[i].data + name.size() + 1};
        }
        return true;
    }

    /// A whole number from `least` to `most` in `into`, if given. `example`: what would be right.
    template <class Number>
    bool number(std::string_view name, std::int64_t least, std::int64_t most, const char* example,
                Number& into)
    {
        ngx_str_t value{};
        if (!take(name, value)) return false;
        if (value.data == nullptr) return true;
        return store(ngx_atoi(value.data, value.len), name, value, least, most, example, into);
    }

    /// The same for a size in bytes, with k, m or g.
    template <class Number>
    bool size(std::string_view name, std::int64_t least, std::int64_t most, const char* example, Number& into)
    {
        ngx_str_t value{};
        if (!take(name, value)) return false;
        if (value.data == nullptr) return true;
        const std::int64_t bytes = value.len == 0 ? -1 : static_cast<std::int64_t>(ngx_parse_offset(&value));
        return store(bytes, name, value, least, most, example, into);
    }

    /// The same for a time in milliseconds.
    template <class Number>
    bool time(std::string_view name, std::int64_t most, const char* example, Number& into)
    {
        ngx_str_t value{};
        if (!take(name, value)) return false;
        if (value.data == nullptr) return true;
        const std::int64_t ms = value.len == 0 ? -1 : static_cast<std::int64_t>(ngx_parse_time(&value, 0));
        return store(ms, name, value, 0, most, example, into);
    }

    bool flag(std::string_view name, bool& into)
    {
        ngx_str_t value{};
        if (!take(name, value)) return false;
        if (value.data == nullptr) return true;
        into = ngx::view(value) == "on";
        if (into || ngx::view(value) == "off") return true;
        const ngx_str_t text = ngx::str(name);
        ngx_conf_log_error(NGX_LOG_EMERG, cf_, 0, "%V: invalid %V \"%V\", expected %V=on or %V=off",
                           &directive_name(cf_), &text, &value, &text, &text);
        return false;
    }

    /// A value with variables.
    bool complex_value(std::string_view name, ngx_http_complex_value_t*& into)
    {
        ngx_str_t value{};
        if (!take(name, value)) return false;
        if (value.data == nullptr) return true;
        into =
            static_cast<ngx_http_complex_value_t*>(ngx_pcalloc(cf_->pool, sizeof(ngx_http_complex_value_t)));
        if (into == nullptr) throw std::bad_alloc{};
        ngx_http_compile_complex_value_t compile{};
        compile.cf = cf_;
        compile.value = &value;
        compile.complex_value = into;
        return ngx_http_compile_complex_value(&compile) == NGX_OK;  // which says what is wrong
    }

    /// Whether every argument was understood.
    bool nothing_left(const char* expected)
    {
        const auto args = arguments(cf_);
        for (std::size_t i = 0; i < args.size(); ++i) {
            if (!left_[i]) continue;
            ngx_conf_log_error(NGX_LOG_EMERG, cf_, 0, "%V: unexpected \"%V\", expected %s",
                               &directive_name(cf_), &args[i], expected);
            return false;
        }
        return true;
    }

private:
    template <class Number>
    bool store(std::int64_t number, std::string_view name, const ngx_str_t& value, std::int64_t least,
               std::int64_t most, const char* example, Number& into)
    {
        const ngx_str_t text = ngx::str(name);
        if (number >= least && number <= most) {
            into = static_cast<Number>(number);
            return true;
        }
        ngx_conf_log_error(NGX_LOG_EMERG, cf_, 0, "%V: invalid %V \"%V\", expected %s", &directive_name(cf_),
                           &text, &value, example);
        return false;
    }

    ngx_conf_t* cf_;
    std::vector<bool> left_;
};

std::uint64_t monotonic_ns() noexcept
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000U + static_cast<std::uint64_t>(now.tv_nsec);
}

template <class T>
const T& copy_of(ngx_conf_t* cf, const T& value)
{
    return ngx::make<T>(cf->pool, value);
}

template <class T>
void inherit(const T*& value, const T* parent) noexcept
{
    if (value == nullptr) value = parent;
}

}

void init_loc_conf(LocConf& conf) noexcept
{
    conf.on = NGX_CONF_UNSET;
}

void merge_loc_conf(ngx_conf_t* cf, const LocConf& parent, LocConf& conf)
{
    ngx_conf_merge_value(conf.on, parent.on, 0);
    inherit(conf.batch, parent.batch);
    inherit(conf.priority, parent.priority);
    inherit(conf.compress, parent.compress);
    inherit(conf.limit, parent.limit);
    inherit(conf.ping, parent.ping);
    if (conf.on == 0) return;
    auto& settings = ngx::make<Settings>(cf->pool);
    RelaySettings& relay = settings.relay;
    if (conf.priority != nullptr) settings.priority = *conf.priority;
    relay.priority = &settings.priority;
    if (conf.batch != nullptr) relay.batch = *conf.batch;
    const LimitConf limit = conf.limit != nullptr ? *conf.limit : LimitConf{};
    relay.max_client_message = limit.message;
    relay.frames_per_second = limit.frames;
    relay.buffer = limit.buffer;
    relay.whole = std::min(relay.whole, limit.buffer);
    relay.max_upstream_message = limit.upstream_message;
    relay.max_ratio = limit.ratio;
    if (conf.ping != nullptr) {
        relay.ping_after_ms = conf.ping->after;
        relay.ping_timeout_ms = conf.ping->timeout;
    }
    relay.clock_ns = monotonic_ns;
    const CompressConf compress = conf.compress != nullptr ? *conf.compress : CompressConf{};
    if (compress.mode != Compress::unset) settings.compress = compress.mode;
    settings.compress_condition = compress.condition;
    relay.level = compress.level;
    relay.memory_level = compress.memory;
    relay.min_without_context = compress.min;
    relay.min_with_context = std::min(compress.min, relay.min_with_context);
    settings.wishes.server_context_takeover = compress.context;
    settings.wishes.server_window_bits = compress.window;
    settings.wishes.client_window_bits = compress.window;
    conf.settings = &settings;
}

char* set_websocket(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.on != NGX_CONF_UNSET) return duplicate();
    const ngx_str_t& value = arguments(cf)[0];
    if (ngx::view(value) != "on" && ngx::view(value) != "off") {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_websocket: unexpected \"%V\", expected on or off",
                           &value);
        return error();
    }
    conf.on = ngx::view(value) == "on";
    return NGX_CONF_OK;
}

char* set_websocket_batch(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.batch != nullptr) return duplicate();
    BatchWindow::Limits limits;
    if (says_off(cf)) {
        limits.delay_ms = 0;
    } else {
        Options options{cf};
        if (!options.number("messages", 1, 100000, "1 to 100000, as in messages=50", limits.messages) ||
            !options.time("delay", 10000, "at most 10s, as in delay=20ms", limits.delay_ms) ||
            !options.size("bytes", 1, 1 << 20, "1 to 1m, as in bytes=16000", limits.bytes) ||
            !options.nothing_left("off alone, or messages=, delay= and bytes=")) {
            return error();
        }
    }
    conf.batch = &copy_of(cf, limits);
    return NGX_CONF_OK;
}

char* set_websocket_priority(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.priority != nullptr) return duplicate();
    std::vector<std::string_view> rules;
    if (!says_off(cf)) {
        for (const ngx_str_t& arg : arguments(cf)) rules.push_back(ngx::view(arg));
    }
    auto parsed = PriorityRules::parse(rules);
    if (const auto* wrong = std::get_if<std::string>(&parsed)) {
        const ngx_str_t text = ngx::str(*wrong);
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_websocket_priority: %V", &text);
        return error();
    }
    conf.priority = &copy_of(cf, std::get<PriorityRules>(parsed));
    return NGX_CONF_OK;
}

char* set_websocket_compress(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.compress != nullptr) return duplicate();
    CompressConf compress;
    compress.mode = Compress::edge;
    const auto args = arguments(cf);
    if (says_off(cf)) {
        compress.mode = Compress::off;
    } else if (args.size() == 1 && ngx::view(args[0]) == "upstream") {
        compress.mode = Compress::upstream;
    } else if (args.size() != 1 || ngx::view(args[0]) != "on") {
        Options options{cf};
        if (!options.size("min", 0, 1 << 30, "as in min=1k", compress.min) ||
            !options.number("level", 1, 9, "1 to 9, as in level=1", compress.level) ||
            !options.number("window", 9, 15, "9 to 15, as in window=15", compress.window) ||
            !options.number("memory", 4, 9, "4 to 9, as in memory=8", compress.memory) ||
            !options.flag("context", compress.context) || !options.complex_value("if", compress.condition) ||
            !options.nothing_left(
                "on, off or upstream alone, or min=, level=, window=, memory=, context= and if=")) {
            return error();
        }
    }
    conf.compress = &copy_of(cf, compress);
    return NGX_CONF_OK;
}

char* set_websocket_limit(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.limit != nullptr) return duplicate();
    LimitConf limit;
    Options options{cf};
    if (!options.size("message", 1, std::int64_t{1} << 40, "as in message=16m", limit.message) ||
        !options.size("buffer", 4096, 1 << 30, "4k to 1g, as in buffer=64k", limit.buffer) ||
        !options.number("frames", 0, 1000000000, "a number a second, as in frames=1000", limit.frames) ||
        !options.size("upstream_message", 1, std::int64_t{1} << 40, "as in upstream_message=64m",
                      limit.upstream_message) ||
        !options.number("ratio", 0, 1000000, "0 to 1000000, as in ratio=200", limit.ratio) ||
        !options.nothing_left("message=, upstream_message=, ratio=, buffer= and frames=")) {
        return error();
    }
    conf.limit = &copy_of(cf, limit);
    return NGX_CONF_OK;
}

char* set_websocket_ping(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.ping != nullptr) return duplicate();
    PingConf ping;
    if (!says_off(cf)) {
        const ngx_str_t& first = arguments(cf)[0];
        ngx_str_t text = first;
        const ngx_int_t after = ngx_parse_time(&text, 0);
        if (after < 1000 || after > kMostPing) {
            ngx_conf_log_error(
                NGX_LOG_EMERG, cf, 0,
                "edge_websocket_ping: invalid time \"%V\", expected 1s to 1d, as in 30s, or off", &first);
            return error();
        }
        ping.after = ping.timeout = static_cast<std::uint32_t>(after);
        Options options{cf, 1};
        if (!options.time("timeout", kMostPing, "at most 1d, as in timeout=10s", ping.timeout) ||
            !options.nothing_left("off alone, or a time and timeout=")) {
            return error();
        }
    }
    conf.ping = &copy_of(cf, ping);
    return NGX_CONF_OK;
}

}

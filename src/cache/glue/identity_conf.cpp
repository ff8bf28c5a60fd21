#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <new>
#include <string>

#include "cache/glue/identity.hpp"
#include "nginx/barrier.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

constexpr ngx_msec_t kLookEvery = 1000;

char* error() noexcept
{
    return static_cast<char*>(NGX_CONF_ERROR);
}

/// A descriptor that is closed.
struct File {
    ngx_fd_t fd;
    explicit File(const u_char* path) noexcept
        : fd{ngx_open_file(path, NGX_FILE_RDONLY | O_CLOEXEC | O_NONBLOCK, NGX_FILE_OPEN, 0)}
    {}
    ~File()
    {
        if (fd != NGX_INVALID_FILE) ngx_close_file(fd);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
};

/// Notes how the file looks. false: just as it did before.
bool note_look(KeyFile& file, const struct stat& look) noexcept
{
    if (file.modified == look.st_mtim.tv_sec && file.modified_ns == look.st_mtim.tv_nsec &&
        file.size == look.st_size && file.inode == look.st_ino) {
        return false;
    }
    file.modified = look.st_mtim.tv_sec;
    file.modified_ns = look.st_mtim.tv_nsec;
    file.size = look.st_size;
    file.inode = look.st_ino;
    return true;
}

/// The file's keys, or why there are none.
jwt::KeysResult read_keys(KeyFile& file)
{
    const File in{file.path.data};
    if (in.fd == NGX_INVALID_FILE) return {.keys = std::nullopt, .error = "it can't be opened"};
    struct stat look {};
    if (fstat(in.fd, &look) != 0 || !S_ISREG(look.st_mode))
        return {.keys = std::nullopt, .error = "it is no file"};
    note_look(file, look);
    if (look.st_size > static_cast<off_t>(jwt::kMaxKeyFile))
        return {.keys = std::nullopt, .error = "it has more than 256 KB"};
    std::string text(static_cast<std::size_t>(look.st_size), '\0');
    std::size_t have = 0;
    while (have < text.size()) {
        const ssize_t n = ngx_read_fd(in.fd, text.data() + have, text.size() - have);
        if (n <= 0) return {.keys = std::nullopt, .error = "it can't be read"};
        have += static_cast<std::size_t>(n);
    }
    return jwt::parse_keys(text);
}

/// The names of cookies whose values the text takes.
std::vector<std::string> cookies_in(std::string_view text)
{
    constexpr std::string_view kCookie = "cookie_";
    std::vector<std::string> names;
    for (std::size_t at = text.find(kCookie); at != text.npos; at = text.find(kCookie, at + 1)) {
        if (at == 0 || (text[at - 1] != '$' && text[at - 1] != '{')) continue;
        std::string name{text.substr(at + kCookie.size())};
        const auto end = std::find_if_not(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        });
        name.erase(end, name.end());
        names.push_back(std::move(name));
    }
    return names;
}

/// One use of the directive.
class Setter {
public:
    Setter(ngx_conf_t* cf, PrivateRule& rule, KeyFiles& files) : cf_{cf}, rule_{rule}, files_{files} {}

    bool argument(ngx_str_t& argument)
    {
        const std::string_view text = ngx::view(argument);
        const std::size_t equals = text.find('=');
        const std::string_view name = text.substr(0, equals);
        ngx_str_t value{};
        if (equals != text.npos) value = {argument.len - equals - 1, argument.data + equals + 1};
        if (equals != text.npos && value.len == 0) return wrong(argument, "a value after =");
        const bool token = rule_.mode == PrivateRule::Mode::jwt;
        if (name == "max_ttl" && value.len != 0) return once(max_ttl_, argument) && time(argument, value);
        if (token && name == "claim" && value.len != 0)
            return once(claim_, argument) && claims(argument, value);
        if (token && name == "token" && value.len != 0)
            return once(token_, argument) && variables(argument, value);
        if (token && name == "key_file" && value.len != 0) return once(key_, argument) && key_file(value);
        return wrong(argument, token ? "jwt with claim=, token=, key_file= and max_ttl="
                                     : "secret= with max_ttl=, jwt with key_file=, or off");
    }
    /// The text with variables of token= or secret=.
    bool variables(ngx_str_t& argument, ngx_str_t value)
    {
        if (ngx::view(value).find('$') == std::string_view::npos)
            return wrong(argument, "a variable, as in $cookie_session");
        rule_.value = &ngx::zeroed<ngx_http_complex_value_t>(cf_->pool);
        rule_.cookies = cookies_in(ngx::view(value));
        rule_.from_authorization = ngx::view(value).find("http_authorization") != std::string_view::npos;
        ngx_http_compile_complex_value_t compile{};
        compile.cf = cf_;
        compile.value = &value;
        compile.complex_value = rule_.value;
        return ngx_http_compile_complex_value(&compile) == NGX_OK;
    }
    bool finish()
    {
        if (rule_.mode != PrivateRule::Mode::jwt) return true;
        if (rule_.claims.empty()) rule_.claims.emplace_back("sub");
        if (rule_.keys != nullptr) return true;
        ngx_conf_log_error(NGX_LOG_EMERG, cf_, 0,
                           "edge_cache_private: jwt needs the keys to verify tokens with, as in "
                           "key_file=/etc/nginx/jwks.json");
        return false;
    }

private:
    bool wrong(ngx_str_t& argument, const char* expected)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf_, 0, "edge_cache_private: \"%V\", expected %s", &argument,
                           expected);
        return false;
    }
    bool once(bool& given, ngx_str_t& argument)
    {
        if (given) return wrong(argument, "it once");
        return given = true;
    }
    bool time(ngx_str_t& argument, ngx_str_t value)
    {
        const ngx_int_t seconds = ngx_parse_time(&value, 1);
        if (seconds == NGX_ERROR || seconds < 1 || seconds > 86400)
            return wrong(argument, "a time from 1s to 1d, as in max_ttl=60s");
        rule_.max_ttl = static_cast<std::uint32_t>(seconds);
        return true;
    }
    bool claims(ngx_str_t& argument, ngx_str_t value)
    {
        std::string_view list = ngx::view(value);
        for (bool more = true; more;) {
            const std::size_t comma = list.find(',');
            more = comma != list.npos;
            const std::string_view name = list.substr(0, comma);
            if (name.empty() || rule_.claims.size() == 8)
                return wrong(argument, "names of claims, as in claim=sub or claim=sub,tenant");
            rule_.claims.emplace_back(name);
            if (more) list.remove_prefix(comma + 1);
        }
        return true;
    }
    bool key_file(ngx_str_t path)
    {
        if (ngx_conf_full_name(cf_->cycle, &path, 1) != NGX_OK) return false;
        auto& file = ngx::make<KeyFile>(cf_->pool);
        file.path = ngx::copy(cf_->pool, ngx::view(path));
        if (file.path.data == nullptr) throw std::bad_alloc{};
        jwt::KeysResult result = read_keys(file);
        if (!result.keys) {
            const ngx_str_t reason = ngx::str(result.error);
            ngx_conf_log_error(
                NGX_LOG_EMERG, cf_, 0,
                "edge_cache_private: key_file \"%V\": %V; expected a JWK set, PUBLIC KEYs in PEM, or "
                "a secret of at least 32 bytes",
                &file.path, &reason);
            return false;
        }
        file.keys = std::move(*result.keys);
        rule_.keys = &file;
        files_.push_back(&file);
        return true;
    }

    ngx_conf_t* cf_;
    PrivateRule& rule_;
    KeyFiles& files_;
    bool max_ttl_ = false, claim_ = false, token_ = false, key_ = false;
};

/// Of a worker: the timer and what it looks at.
struct Watch {
    ngx_event_t event;
    ngx_connection_t connection;  // the debug log reads `fd` through a timer's data
    const KeyFiles* files;
};
constinit Watch watch{};

void read_again(KeyFile& file, ngx_log_t* log)
{
    struct stat look {};
    // One that is gone for a moment, while another is put in its place, is no news yet.
    if (stat(reinterpret_cast<const char*>(file.path.data), &look) != 0 || !note_look(file, look)) return;
    jwt::KeysResult result = read_keys(file);
    if (!result.keys) {
        const ngx_str_t reason = ngx::str(result.error);
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "edge: key_file \"%V\" has changed and can't be used: %V; the keys before stay",
                      &file.path, &reason);
        return;
    }
    file.keys = std::move(*result.keys);
    ++file.generation;
    ngx_log_error(NGX_LOG_NOTICE, log, 0, "edge: key_file \"%V\" has changed: %uz key(s)", &file.path,
                  file.keys.keys.size());
}

void on_look(ngx_event_t* event) noexcept
{
    for (KeyFile* file : *watch.files) {
        ngx::guarded<int>(event->log, 0, [&] {
            read_again(*file, event->log);
            return 0;
        });
    }
    if (!ngx_exiting) ngx_add_timer(event, kLookEvery);
}

}

char* set_cache_private(ngx_conf_t* cf, LocConf& conf, KeyFiles& files)
{
    if (conf.private_rule != nullptr) return const_cast<char*>("is duplicate");
    static std::uint32_t rules = 0;  // read in the master only
    auto& rule = ngx::make<PrivateRule>(cf->pool);
    rule.number = ++rules;
    conf.private_rule = &rule;
    auto* args = static_cast<ngx_str_t*>(cf->args->elts);
    ngx_str_t& first = args[1];
    if (ngx::view(first) == "off" && cf->args->nelts == 2) return NGX_CONF_OK;
    Setter setter{cf, rule, files};
    constexpr std::string_view kSecret = "secret=";
    if (ngx::view(first) == "jwt") {
        rule.mode = PrivateRule::Mode::jwt;
    } else if (ngx::view(first).starts_with(kSecret)) {
        rule.mode = PrivateRule::Mode::secret;
        if (!setter.variables(first, {first.len - kSecret.size(), first.data + kSecret.size()}))
            return error();
    } else if (!setter.argument(first)) {
        return error();
    }
    for (ngx_uint_t i = 2; i < cf->args->nelts; ++i) {
        if (!setter.argument(args[i])) return error();
    }
    if (rule.mode == PrivateRule::Mode::off) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "edge_cache_private: \"%V\", expected first jwt, secret= or off", &first);
        return error();
    }
    return setter.finish() ? NGX_CONF_OK : error();
}

void watch_key_files(const KeyFiles& files, ngx_cycle_t* cycle) noexcept
{
    watch.files = &files;
    if (watch.event.timer_set) ngx_del_timer(&watch.event);
    if (files.empty()) return;
    watch.connection.fd = static_cast<ngx_socket_t>(-1);
    watch.event.data = &watch.connection;
    watch.event.handler = on_look;
    watch.event.log = cycle->log;
    watch.event.cancelable = 1;  // does not keep an old worker alive
    ngx_add_timer(&watch.event, kLookEvery);
}

}

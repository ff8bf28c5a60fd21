#pragma once

#include <algorithm>
#include <cstdint>
#include <new>
#include <span>
#include <string_view>
#include <vector>

#include "nginx/ngx.hpp"
#include "nginx/str.hpp"

/// The arguments of a directive that is being read.
namespace edge::ngx {

/// The words after the directive's name.
inline std::span<ngx_str_t> arguments(ngx_conf_t* cf) noexcept
{
    return {static_cast<ngx_str_t*>(cf->args->elts) + 1, cf->args->nelts - 1};
}

inline const ngx_str_t& directive_name(ngx_conf_t* cf) noexcept
{
    return *static_cast<ngx_str_t*>(cf->args->elts);
}

/// Whether they are "off" and nothing else.
inline bool says_off(ngx_conf_t* cf) noexcept
{
    const auto args = arguments(cf);
    return args.size() == 1 && view(args[0]) == "off";
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
            const std::string_view arg = view(args[i]);
            if (arg.size() <= name.size() || !arg.starts_with(name) || arg[name.size()] != '=') continue;
            left_[i] = false;
            if (value.data != nullptr) {
                const ngx_str_t text = str(name);
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
        into = view(value) == "on";
        if (into || view(value) == "off") return true;
        const ngx_str_t text = str(name);
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
        const ngx_str_t text = str(name);
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

}

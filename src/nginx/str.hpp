#pragma once

#include <cstddef>
#include <string_view>

#include "nginx/ngx.hpp"

namespace edge::ngx {

inline std::string_view view(const ngx_str_t& s) noexcept
{
    return {reinterpret_cast<const char*>(s.data), s.len};
}

/// nginx never writes through the strings it is handed in headers_out, but its type has no const.
inline ngx_str_t str(std::string_view s) noexcept
{
    return {s.size(), reinterpret_cast<u_char*>(const_cast<char*>(s.data()))};
}

/// A copy in `pool`; data is nullptr when there is no memory.
inline ngx_str_t copy(ngx_pool_t* pool, std::string_view s) noexcept
{
    ngx_str_t out{0, static_cast<u_char*>(ngx_pnalloc(pool, s.size() + 1))};
    if (out.data != nullptr) {
        *ngx_cpymem(out.data, s.data(), s.size()) = '\0';
        out.len = s.size();
    }
    return out;
}

template <std::size_t N>
struct Text {
    u_char bytes[N];
    consteval Text(const char (&s)[N]) : bytes{}
    {
        for (std::size_t i = 0; i < N; ++i) bytes[i] = static_cast<u_char>(s[i]);
    }
};

/// A constant ngx_str_t: "text"_ngx.
template <Text T>
constexpr ngx_str_t operator""_ngx() noexcept
{
    return {sizeof(T.bytes) - 1, const_cast<u_char*>(T.bytes)};
}

}

#pragma once

#include <new>
#include <string_view>

#include "http/field.hpp"
#include "nginx/ngx.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::ngx {

/// Calls `each(ngx_table_elt_t&)` for every element of a header list, the removed ones (hash 0) too.
template <class F>
void for_each_header(ngx_list_t& list, F&& each)
{
    for (ngx_list_part_t* part = &list.part; part != nullptr; part = part->next) {
        auto* lines = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; ++i) each(lines[i]);
    }
}

/// The list's lines, the removed ones (hash 0) too, as an array in `pool`. Throws std::bad_alloc.
inline http::Fields fields_of(ngx_list_t& list, ngx_pool_t* pool)
{
    std::size_t count = 0;
    for (ngx_list_part_t* part = &list.part; part != nullptr; part = part->next) count += part->nelts;
    auto* fields = array<http::Field>(pool, count);
    http::Field* at = fields;
    for_each_header(list, [&](ngx_table_elt_t& line) { *at++ = {view(line.key), view(line.value)}; });
    return {fields, count};
}

/// Adds one line. Throws std::bad_alloc. `name` and `value` must live as long as the request. Inline, and
/// ngx_list_push only asked when the list's last part is full: a hit adds a dozen lines.
inline ngx_table_elt_t& push_header(ngx_list_t& list, std::string_view name, std::string_view value)
{
    ngx_list_part_t& last = *list.last;
    auto* line = last.nelts < list.nalloc ? static_cast<ngx_table_elt_t*>(last.elts) + last.nelts++
                                          : static_cast<ngx_table_elt_t*>(ngx_list_push(&list));
    if (line == nullptr) throw std::bad_alloc{};
    *line = ngx_table_elt_t{};  // `next` exists from 1.23 on
    line->hash = 1;
    line->key = str(name);
    line->value = str(value);
    return *line;
}

inline bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept
{
    return a.size() == b.size() &&
           ngx_strncasecmp(reinterpret_cast<u_char*>(const_cast<char*>(a.data())),
                           reinterpret_cast<u_char*>(const_cast<char*>(b.data())), a.size()) == 0;
}

}

#include "nginx/headers.hpp"

#include <new>

namespace edge::ngx {

ngx_table_elt_t& push_header(ngx_list_t& list, std::string_view name, std::string_view value)
{
    auto* line = static_cast<ngx_table_elt_t*>(ngx_list_push(&list));
    if (line == nullptr) throw std::bad_alloc{};
    ngx_memzero(line, sizeof(*line));  // `next` exists from 1.23 on
    line->hash = 1;
    line->key = str(name);
    line->value = str(value);
    return *line;
}

}

#pragma once

#include "nginx/ngx.hpp"

namespace edge::ngx {

/// Calls visit(link) once for each link of `list`, which it leaves in. A visit may take any link out, its own
/// too, and put new ones in, which are not visited.
template <class F>
void visit_each(ngx_queue_t& list, F&& visit)
{
    if (ngx_queue_empty(&list)) return;
    ngx_queue_t todo;
    ngx_queue_init(&todo);
    ngx_queue_add(&todo, &list);
    ngx_queue_init(&list);
    while (!ngx_queue_empty(&todo)) {
        ngx_queue_t* link = ngx_queue_head(&todo);
        ngx_queue_remove(link);
        ngx_queue_insert_tail(&list, link);
        visit(link);
    }
}

}

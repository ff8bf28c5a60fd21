#include "nginx/detached.hpp"

#include <cstring>
#include <new>
#include <string_view>

#include "nginx/headers.hpp"
#include "nginx/str.hpp"

namespace edge::ngx {

namespace {

constexpr ngx_uint_t kMost = 64;
constexpr ngx_uint_t kMostWithSink = 256;  // those a client waits for
constexpr ngx_msec_t kShutdownCheck = 200;

/// All that stands in for a client's connection. Lives in a pool of its own, which a posted event destroys
/// after the core has let go of the connection.
struct Detached {
    ngx_connection_t connection;  // first: what nginx hands us is its address
    ngx_event_t read;
    ngx_event_t write;
    ngx_log_t log;
    ngx_http_log_ctx_t log_ctx;
    ngx_http_connection_t http;
    ngx_event_t begin;
    ngx_event_t bury;
    ngx_pool_t* memory;
    ngx_http_request_t* request;
    DetachedTask task;
    bool over_tls;  // the client it stands in for
    ngx_queue_t link;
};

ngx_uint_t running = 0;
ngx_uint_t with_sink = 0;
ngx_queue_t all;
ngx_event_t shutdown_timer;
ngx_connection_t timer_connection;  // the debug log reads a timer's `data` as one
ngx_msec_t exiting_since = 0;
ngx_log_t silent;  // level 0: says nothing

ngx_chain_t* swallow(ngx_connection_t*, ngx_chain_t*, off_t) noexcept
{
    return nullptr;
}
ssize_t nothing_to_read(ngx_connection_t*, u_char*, size_t) noexcept
{
    return 0;
}
ssize_t write_nowhere(ngx_connection_t*, u_char*, size_t size) noexcept
{
    return static_cast<ssize_t>(size);
}

u_char* log_context(ngx_log_t* log, u_char* buf, size_t len) noexcept
{
    u_char* at = buf;
    if (log->action != nullptr) at = ngx_snprintf(at, len, " while %s", log->action);
    at = ngx_snprintf(at, len - (at - buf), ", detached request");
    auto* ctx = static_cast<ngx_http_log_ctx_t*>(log->data);
    ngx_http_request_t* r = ctx->request;
    return r != nullptr && r->log_handler != nullptr
               ? r->log_handler(r, ctx->current_request, at, len - (at - buf))
               : at;
}

void end_now(ngx_connection_t& c) noexcept
{
    c.close = 1;
    c.error = 1;
    if (c.read->handler != nullptr) c.read->handler(c.read);
}

/// Past worker_shutdown_timeout the core closes the connections it knows; ours are not among them.
void on_shutdown_check(ngx_event_t* event) noexcept
{
    if (ngx_exiting) {
        if (exiting_since == 0) exiting_since = ngx_current_msec;
        const auto* core = reinterpret_cast<ngx_core_conf_t*>(
            ngx_get_conf(const_cast<ngx_cycle_t*>(ngx_cycle)->conf_ctx, ngx_core_module));
        if (core->shutdown_timeout != 0 && ngx_current_msec - exiting_since >= core->shutdown_timeout) {
            while (!ngx_queue_empty(&all)) {
                ngx_queue_t* first = ngx_queue_head(&all);
                Detached& d = *ngx_queue_data(first, Detached, link);
                ngx_queue_remove(first);
                ngx_queue_init(first);
                end_now(d.connection);
            }
            return;
        }
    }
    if (running != 0) ngx_add_timer(event, kShutdownCheck);
}

void watch_shutdown() noexcept
{
    if (shutdown_timer.timer_set) return;
    timer_connection.fd = static_cast<ngx_socket_t>(-1);
    shutdown_timer.data = &timer_connection;
    shutdown_timer.handler = on_shutdown_check;
    shutdown_timer.log = ngx_cycle->log;
    shutdown_timer.cancelable = 1;
    ngx_add_timer(&shutdown_timer, kShutdownCheck);
}

void on_bury(ngx_event_t* event) noexcept
{
    auto* d = static_cast<Detached*>(event->data);
    const DetachedTask task = d->task;
    ngx_queue_remove(&d->link);
    --running;
    if (task.sink != nullptr) --with_sink;
    ngx_destroy_pool(d->memory);
    task.ended(task.data);
}

/// Runs last of all the request's clean-ups; ngx_http_close_connection comes next.
void on_request_gone(void* data) noexcept
{
    auto* d = static_cast<Detached*>(data);
    for (ngx_event_t* event : {&d->read, &d->write}) {
        if (event->timer_set) ngx_del_timer(event);
        if (event->posted) {
            ngx_delete_posted_event(event);  // several statements
        }
    }
    // Closing a connection without a socket would be an alert. The structure itself is read after that once
    // more.
    d->connection.log = &silent;
    d->bury.data = d;
    d->bury.handler = on_bury;
    d->bury.log = ngx_cycle->log;
    ngx_post_event(&d->bury, &ngx_posted_events);
}

/// Fields that say what a write carries, or which one it really is: a read has none of them.
bool belongs_to_write(std::string_view name) noexcept
{
    for (const std::string_view known :
         {"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "Idempotency-Key", "Prefer"}) {
        if (equals_ignoring_case(name, known)) return true;
    }
    return name.size() > 8 && equals_ignoring_case(name.substr(0, 8), "Content-");
}

/// Browsers name their page's origin in each write, but not when they read from that very origin.
bool is_own_origin(const ngx_table_elt_t& line, const ngx_http_request_t& client) noexcept
{
    if (!equals_ignoring_case(view(line.key), "Origin") || client.headers_in.host == nullptr) return false;
    const std::string_view origin = view(line.value);
    const std::size_t at = origin.find("://");
    return at != origin.npos &&
           equals_ignoring_case(origin.substr(at + 3), view(client.headers_in.host->value));
}

bool left_out(std::string_view name, Purpose purpose) noexcept
{
    for (const std::string_view known :
         {"Host", "Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since",
          "If-Unmodified-Since", "Connection", "Upgrade", "TE", "Trailer", "Content-Length",
          "Transfer-Encoding", "Expect", "Keep-Alive", "Proxy-Connection", "HTTP2-Settings"}) {
        if (equals_ignoring_case(name, known)) return true;
    }
    // What a sink takes apart has to be the thing itself.
    if (purpose == Purpose::source && equals_ignoring_case(name, "Accept-Encoding")) return true;
    if (purpose == Purpose::again && belongs_to_write(name)) return true;
    return name.size() > 14 && equals_ignoring_case(name.substr(0, 14), "Sec-WebSocket-");
}

ngx_str_t keep(ngx_pool_t* pool, const ngx_str_t& text)
{
    const ngx_str_t kept = copy(pool, view(text));
    if (kept.data == nullptr) throw std::bad_alloc{};
    return kept;
}

void add_header(ngx_http_request_t& r, const ngx_table_elt_t& line, ngx_pool_t* memory)
{
    auto* added = static_cast<ngx_table_elt_t*>(ngx_list_push(&r.headers_in.headers));
    if (added == nullptr) throw std::bad_alloc{};
    ngx_memzero(added, sizeof(*added));
    added->hash = line.hash;
    added->key = keep(memory, line.key);
    added->value = keep(memory, line.value);
    added->lowcase_key = keep(memory, ngx_str_t{line.key.len, line.lowcase_key}).data;
    const bool host = equals_ignoring_case(view(line.key), "Host");
    if (host) {
        r.headers_in.host = added;
        return;
    }
    auto* core =
        static_cast<ngx_http_core_main_conf_t*>(ngx_http_get_module_main_conf((&r), ngx_http_core_module));
    auto* known = static_cast<ngx_http_header_t*>(
        ngx_hash_find(&core->headers_in_hash, added->hash, added->lowcase_key, added->key.len));
    if (known != nullptr && known->handler(&r, added, known->offset) != NGX_OK) throw std::bad_alloc{};
}

/// $scheme and the $ssl_… family read the client's TLS connection, which this request has not: they keep the
/// values they have for the client.
void freeze_variables(ngx_http_request_t& client, ngx_http_request_t& r, ngx_pool_t* memory)
{
    auto* core =
        static_cast<ngx_http_core_main_conf_t*>(ngx_http_get_module_main_conf((&r), ngx_http_core_module));
    auto* variables = static_cast<ngx_http_variable_t*>(core->variables.elts);
    for (ngx_uint_t i = 0; i < core->variables.nelts; ++i) {
        const std::string_view name = view(variables[i].name);
        if (name != "scheme" && name != "https" && !name.starts_with("ssl_")) continue;
        const ngx_http_variable_value_t* value = ngx_http_get_indexed_variable(&client, i);
        if (value == nullptr || !value->valid) continue;
        r.variables[i] = *value;
        r.variables[i].data = keep(memory, {value->len, value->data}).data;
        r.variables[i].no_cacheable = 0;
    }
}

void make_connection(Detached& d, ngx_http_request_t& client)
{
    ngx_connection_t& c = d.connection;
    const ngx_connection_t& theirs = *client.connection;
    auto* server =
        static_cast<ngx_http_core_srv_conf_t*>(ngx_http_get_module_srv_conf((&client), ngx_http_core_module));

    d.log = *theirs.log;
    d.log.handler = log_context;
    d.log.data = &d.log_ctx;
    d.log.action = const_cast<char*>("starting a detached request");
    d.log.connection = ngx_atomic_fetch_add(ngx_connection_counter, 1);

    d.over_tls = is_over_tls(client);
    d.http.addr_conf = client.http_connection->addr_conf;
    d.http.conf_ctx = server->ctx;

    c.fd = static_cast<ngx_socket_t>(-1);
    c.data = &d.http;
    c.read = &d.read;
    c.write = &d.write;
    c.log = &d.log;
    c.pool = ngx_create_pool(1024, &d.log);
    if (c.pool == nullptr) throw std::bad_alloc{};
    c.recv = nothing_to_read;
    c.send = write_nowhere;
    c.send_chain = swallow;
    c.listening = theirs.listening;
    c.number = d.log.connection;
    c.start_time = ngx_current_msec;
    c.sockaddr = static_cast<sockaddr*>(ngx_palloc(d.memory, theirs.socklen));
    if (c.sockaddr == nullptr) throw std::bad_alloc{};
    ngx_memcpy(c.sockaddr, theirs.sockaddr, theirs.socklen);
    c.socklen = theirs.socklen;
    c.addr_text = keep(d.memory, theirs.addr_text);
    if (ngx_connection_local_sockaddr(client.connection, nullptr, 0) == NGX_OK) {
        c.local_sockaddr = static_cast<sockaddr*>(ngx_palloc(d.memory, theirs.local_socklen));
        if (c.local_sockaddr == nullptr) throw std::bad_alloc{};
        ngx_memcpy(c.local_sockaddr, theirs.local_sockaddr, theirs.local_socklen);
        c.local_socklen = theirs.local_socklen;
    }
    c.buffer = ngx_create_temp_buf(d.memory, 16);
    if (c.buffer == nullptr) throw std::bad_alloc{};
    c.tcp_nodelay = NGX_TCP_NODELAY_DISABLED;  // no setsockopt without a socket
    c.tcp_nopush = NGX_TCP_NOPUSH_DISABLED;

    for (ngx_event_t* event : {&d.read, &d.write}) {
        event->data = &c;
        event->log = &d.log;
        event->active = 1;  // nobody asks the kernel about them
    }
    d.write.write = 1;
    d.write.ready = 1;  // always takes more
    d.read.eof = 1;     // no keep-alive, no lingering close
}

/// What is renewed is what the client asked for; made out of something it is asked for by other arguments
/// than its source.
std::string_view target_of(const DetachedTask& task, const ngx_http_request_t& client) noexcept
{
    if (!task.target.empty()) return task.target;
    if (task.purpose != Purpose::source) {
        if (const Derived* derived = find_derived(client)) return view(derived->target);
    }
    return view(client.unparsed_uri);
}

void parse_request(ngx_http_request_t& r, ngx_http_request_t& client, Detached& d)
{
    constexpr std::string_view kMethod = "GET ", kVersion = " HTTP/1.1\r\n\r\n";
    const std::string_view target = target_of(d.task, client);
    const std::size_t size = kMethod.size() + target.size() + kVersion.size();
    ngx_buf_t* line = ngx_create_temp_buf(d.memory, size);
    if (line == nullptr) throw std::bad_alloc{};
    for (const std::string_view part : {kMethod, target, kVersion}) {
        line->last = ngx_cpymem(line->last, part.data(), part.size());
    }
    if (ngx_http_parse_request_line(&r, line) != NGX_OK) throw std::bad_alloc{};
    r.request_line = {static_cast<size_t>(r.request_end - r.request_start), r.request_start};
    r.request_length = line->pos - r.request_start;
    r.method_name = {static_cast<size_t>(r.method_end - r.request_start + 1), r.request_line.data};
    r.http_protocol.len = r.request_end - r.http_protocol.data;
    if (ngx_http_process_request_uri(&r) != NGX_OK) throw std::bad_alloc{};
}

void on_begin(ngx_event_t* event) noexcept
{
    auto* d = static_cast<Detached*>(event->data);
    ngx_connection_t* c = &d->connection;
    ngx_http_process_request(d->request);
    ngx_http_run_posted_requests(c);
}

void build(Detached& d, ngx_http_request_t& client)
{
    make_connection(d, client);
    ngx_http_request_t* r = ngx_http_create_request(&d.connection);
    if (r == nullptr) throw std::bad_alloc{};
    d.request = r;
    d.connection.data = r;
#if (NGX_STAT_STUB)
    ngx_atomic_fetch_add(ngx_stat_active, 1);  // ngx_http_close_connection takes it back
#endif
    ngx_pool_cleanup_t* gone = ngx_pool_cleanup_add(r->pool, 0);
    if (gone == nullptr) throw std::bad_alloc{};
    gone->handler = on_request_gone;
    gone->data = &d;

    r->logged = 1;  // no access log entry: it is no client's
    r->disable_not_modified = 1;
    r->limit_req_status = 1;
    r->limit_conn_status = 1;
#if (nginx_version >= 1029003)
    r->port = client.port;
#endif
    parse_request(*r, client, d);
    if (ngx_list_init(&r->headers_in.headers, r->pool, 20, sizeof(ngx_table_elt_t)) != NGX_OK)
        throw std::bad_alloc{};
    for_each_header(client.headers_in.headers, [&](const ngx_table_elt_t& line) {
        if (line.lowcase_key == nullptr || line.hash == 0) return;
        if (d.task.purpose == Purpose::again && is_own_origin(line, client)) return;
        if (equals_ignoring_case(view(line.key), "Host") || !left_out(view(line.key), d.task.purpose))
            add_header(*r, line, d.memory);
    });
    r->headers_in.server = keep(d.memory, client.headers_in.server);
    r->headers_in.connection_type = NGX_HTTP_CONNECTION_CLOSE;
    freeze_variables(client, *r, d.memory);
}

ngx_http_output_header_filter_pt next_header;
ngx_http_output_body_filter_pt next_body;

ngx_int_t sink_header(ngx_http_request_t* r) noexcept
{
    const DetachedTask* task = detached_task(*r);
    if (task == nullptr || task->sink == nullptr) return next_header(r);
    r->header_sent = 1;
    return r == r->main ? task->sink->header(task->data, *r) : NGX_OK;
}

ngx_int_t sink_body(ngx_http_request_t* r, ngx_chain_t* in) noexcept
{
    const DetachedTask* task = detached_task(*r);
    if (task == nullptr || task->sink == nullptr) return next_body(r, in);
    if (r == r->main) return task->sink->body(task->data, *r, in);
    for (; in != nullptr; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }
    return NGX_OK;
}

}

bool is_detached(const ngx_http_request_t& r) noexcept
{
    return r.connection->send_chain == swallow;
}

const DetachedTask* detached_task(const ngx_http_request_t& r) noexcept
{
    if (!is_detached(r)) return nullptr;
    return &reinterpret_cast<const Detached*>(r.connection)->task;
}

bool is_over_tls(const ngx_http_request_t& r) noexcept
{
    if (is_detached(r)) return reinterpret_cast<const Detached*>(r.connection)->over_tls;
#if (NGX_HTTP_SSL)
    return r.connection->ssl != nullptr;
#else
    return false;
#endif
}

bool is_unheard(const ngx_http_request_t& r) noexcept
{
    const DetachedTask* task = detached_task(r);
    return task != nullptr && task->sink == nullptr;
}

void pause(ngx_http_request_t& r) noexcept
{
    r.connection->write->ready = 0;
    r.connection->buffered |= NGX_HTTP_WRITE_BUFFERED;
}

void resume(ngx_http_request_t& r) noexcept
{
    ngx_connection_t* c = r.connection;
    c->write->ready = 1;
    c->buffered &= ~NGX_HTTP_WRITE_BUFFERED;
    c->write->handler(c->write);
}

void abort(ngx_http_request_t& r) noexcept
{
    end_now(*r.connection);
}

void install_sink_filters() noexcept
{
    next_header = ngx_http_top_header_filter;
    ngx_http_top_header_filter = sink_header;
    next_body = ngx_http_top_body_filter;
    ngx_http_top_body_filter = sink_body;
}

bool start_detached(ngx_http_request_t& client, DetachedTask task) noexcept
{
    // Also in a worker that ends: a client of it waits for what a sink takes.
    if (task.sink != nullptr) {
        if (ngx_terminate || with_sink >= kMostWithSink) return false;
    } else if (ngx_exiting || ngx_quit || ngx_terminate || running - with_sink >= kMost) {
        return false;
    }
    ngx_pool_t* memory = ngx_create_pool(4096, ngx_cycle->log);
    if (memory == nullptr) return false;
    auto* d = static_cast<Detached*>(ngx_pcalloc(memory, sizeof(Detached)));
    if (d == nullptr) {
        ngx_destroy_pool(memory);
        return false;
    }
    d->memory = memory;
    d->task = task;
    if (running == 0) {
        ngx_queue_init(&all);
    }
    try {
        build(*d, client);
    } catch (...) {
        if (d->request != nullptr) {
            // Half built: never began, so the core has not seen it.
#if (NGX_STAT_STUB)
            ngx_atomic_fetch_add(ngx_stat_active, -1);
            if (d->request->stat_reading) ngx_atomic_fetch_add(ngx_stat_reading, -1);
#endif
            for (ngx_pool_cleanup_t* slot = d->request->pool->cleanup; slot != nullptr; slot = slot->next) {
                if (slot->handler == on_request_gone) slot->handler = nullptr;
            }
            ngx_destroy_pool(d->request->pool);
        }
        if (d->connection.pool != nullptr) ngx_destroy_pool(d->connection.pool);
        ngx_destroy_pool(memory);
        return false;
    }
    d->begin.data = d;
    d->begin.handler = on_begin;
    d->begin.log = ngx_cycle->log;
    ngx_queue_insert_tail(&all, &d->link);
    ++running;
    if (task.sink != nullptr) ++with_sink;
    watch_shutdown();
    ngx_post_event(&d->begin, &ngx_posted_events);
    return true;
}

}

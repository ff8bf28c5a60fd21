#pragma once

#include <new>
#include <span>

#include "cache/glue/request.hpp"

namespace edge::cache {

/// Builds the chain of buffers in the zone that goes on to the client.
class Output {
public:
    explicit Output(Request& q) noexcept : q_{q} {}

    void add(std::span<const std::byte> bytes)
    {
        auto* start = reinterpret_cast<u_char*>(const_cast<std::byte*>(bytes.data()));
        if (last_ != nullptr && last_->last == start && !ngx_buf_special(last_)) {
            last_->last = last_->end = start + bytes.size();
            return;
        }
        ngx_buf_t& buf = append();
        buf.start = buf.pos = start;
        buf.end = buf.last = start + bytes.size();
        buf.memory = 1;
    }
    /// Carries over what a buffer says besides its bytes.
    void flags_of(const ngx_buf_t& from)
    {
        if (!from.flush && !from.last_buf && !from.last_in_chain && !from.sync) return;
        if (last_ == nullptr || last_->last_buf) append();
        last_->flush |= from.flush;
        last_->last_buf |= from.last_buf;
        last_->last_in_chain |= from.last_in_chain;
        last_->sync |= from.sync && last_->pos == last_->last;
    }
    /// Marks what was added last, or an empty buffer, as ready to leave and perhaps as the end.
    void close(bool last)
    {
        if (last_ == nullptr) append();
        last_->flush = 1;
        last_->last_buf = last_->last_in_chain = last ? 1 : 0;
    }
    /// Hands the chain to `next`, and keeps the links for the time after it.
    template <class Next>
    ngx_int_t send(Next&& next)
    {
        ngx_chain_t* chain = first_;
        const ngx_int_t rc = next(&q_.r, chain);
        ngx_chain_update_chains(q_.r.pool, &q_.free_links, &q_.busy_links, &chain,
                                static_cast<ngx_buf_tag_t>(&ngx_http_edge_module));
        return rc;
    }
    /// What is not ours goes on as it is, in links of its own: the caller goes on using his.
    void rest(ngx_chain_t* link)
    {
        if (ngx_chain_add_copy(q_.r.pool, end_, link) != NGX_OK) throw std::bad_alloc{};
    }
    ngx_chain_t* chain() const noexcept { return first_; }

private:
    ngx_buf_t& append()
    {
        ngx_chain_t* link = ngx_chain_get_free_buf(q_.r.pool, &q_.free_links);
        if (link == nullptr) throw std::bad_alloc{};
        ngx_buf_t& buf = *link->buf;
        ngx_memzero(&buf, sizeof(buf));
        buf.tag = &ngx_http_edge_module;
        link->next = nullptr;
        *end_ = link;
        end_ = &link->next;
        last_ = &buf;
        return buf;
    }
    Request& q_;
    ngx_chain_t* first_ = nullptr;
    ngx_chain_t** end_ = &first_;
    ngx_buf_t* last_ = nullptr;
};

}

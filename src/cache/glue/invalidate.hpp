#pragma once

#include <vector>

#include "cache/glue/request.hpp"

/// edge_cache_invalidate: tags that a write purges.
namespace edge::cache {

/// What the directive says; in the cycle's pool.
struct Invalidation {
    std::vector<ngx_http_complex_value_t*> tags;
    ngx_msec_t again = 0;  ///< a second purge so long after the first; 0: none
    bool sync = false;     ///< without other hosts there is nobody to wait for
    bool off = false;
};

/// What variables of a request's target depend on, as it was at lookup: an internal redirect changes all of
/// it before the tags are needed.
class Captures {
public:
    explicit Captures(const ngx_http_request_t& r);

    /// While it lives the request looks as it did.
    class Within {
    public:
        Within(ngx_http_request_t& r, Captures& captures) noexcept;
        ~Within();
        Within(const Within&) = delete;
        Within& operator=(const Within&) = delete;

    private:
        void swap() noexcept;
        ngx_http_request_t& r_;
        Captures& captures_;
        bool inside_ = false;
        int* outer_ = nullptr;
        ngx_uint_t outer_count_ = 0;
        u_char* outer_data_ = nullptr;
    };

private:
    ngx_str_t uri;
    ngx_str_t args;
    std::vector<int> captures;
    u_char* data = nullptr;
};

/// `own`: with its zone, not yet what it inherits. false: a location whose writes nobody would see, said in
/// the log.
bool check_invalidation(ngx_conf_t* cf, const LocConf& own);

/// The answer to an unsafe request is known, if it is one: purges the tags, unless it is an error, and has
/// what edge_cache_refill names asked for again. Does nothing for other requests, nor the second time.
void invalidate_tags(Request& q);
/// In a worker that ends: what was to be purged again later is now.
void finish_invalidations() noexcept;

}

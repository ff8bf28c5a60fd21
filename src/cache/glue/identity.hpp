#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cache/glue/request.hpp"
#include "jwt/keys.hpp"
#include "jwt/token.hpp"

/// edge_cache_private: whose request it is.
namespace edge::cache {

/// A file with keys, read when the configuration is, and again in each worker when it changes. One a cycle
/// for each time it is named.
struct KeyFile {
    ngx_str_t path{};  ///< ends with NUL
    jwt::KeySet keys;
    std::uint32_t generation = 1;  ///< of `keys`
    /// How the file looked when it was read last, be it in vain.
    time_t modified = 0;
    long modified_ns = 0;
    off_t size = 0;
    ino_t inode = 0;
};
using KeyFiles = std::vector<KeyFile*>;

/// What edge_cache_private says; in the cycle's pool.
struct PrivateRule {
    enum class Mode : std::uint8_t { off, jwt, secret };
    Mode mode = Mode::off;
    ngx_http_complex_value_t* value = nullptr;  ///< token= or secret=; nullptr: the Bearer token
    bool from_authorization = true;             ///< the value is what Authorization holds
    std::vector<std::string> cookies;           ///< lower case: those the value is read from
    std::vector<std::string> claims;
    KeyFile* keys = nullptr;
    std::uint32_t max_ttl = 60;  ///< seconds
    std::uint32_t number = 0;    ///< one that no other rule of this process has
};

/// The directive. Adds to `files`.
char* set_cache_private(ngx_conf_t* cf, LocConf& conf, KeyFiles& files);

/// In a worker that starts, and for as long as it runs: looks for changed files once a second.
void watch_key_files(const KeyFiles& files, ngx_cycle_t* cycle) noexcept;

/// Finds out whose request it is: `q.identity`, and what the policy is to know of it. false: nobody's whom we
/// know. Only where `q.conf->private_rule` is said and not off.
bool identify(Request& q);

/// The app answered 401 to this request, whose token we took for valid: for as long as an answer may live
/// nothing is served by it any more in this worker.
void token_was_refused(Request& q);

/// The first claim of the token of this request, also where the request is a write; empty: nobody's that we
/// know, or of a secret.
std::string_view user_of(Request& q);

}

#pragma once

#include <string>
#include <vector>

#include "nginx/ngx.hpp"
#include "redis/url.hpp"

namespace edge::redis {

/// One address of a node.
struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;
    std::string text;  ///< for logs
};

/// How a connection is made secure; in the cycle's pool.
struct Tls {
    ngx_ssl_t ssl{};
    std::string name;    ///< what the certificate must be for, and SNI; empty: the URL's host
    bool verify = true;  ///< the certificate
};

/// A node as configured: its URL, and the addresses it had when the configuration was read.
struct Endpoint {
    Url url;
    std::vector<Address> addresses;  ///< empty: the resolver is to be asked
};

/// Which master Sentinels are asked for.
struct SentinelOf {
    std::string set;  ///< what they call it; empty: the endpoints are no Sentinels
    Url server;       ///< credentials, database and TLS of its servers; host and port do not count
};

/// What one edge_redis says; in the cycle's pool, unchanged while workers run.
struct Settings {
    std::string name;                 ///< by which edge_cache redis= refers to it
    std::vector<Endpoint> endpoints;  ///< the server, some nodes of the cluster, or the Sentinels
    bool cluster = false;             ///< the endpoints are nodes of a Redis Cluster
    SentinelOf sentinel;
    ngx_msec_t connect_timeout = 1000;
    ngx_msec_t timeout = 200;            ///< the longest wait of a client's request for an answer
    unsigned pool = 2;                   ///< connections of a worker to a node
    std::string prefix = "edge:";        ///< of every key
    ngx_msec_t cut_off = 5000;           ///< how long a host out of touch goes on serving what has tags
    time_t keep_purges = 86400;          ///< seconds until a purge is taken out of the log
    bool replicas = false;               ///< reads may go to replicas
    Tls* tls = nullptr;                  ///< where an URL is rediss://
    ngx_resolver_t* resolver = nullptr;  ///< of http level; nullptr: names stay what they were at the start
};

}

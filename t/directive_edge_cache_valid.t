# edge_cache_valid: how long an answer is fresh when its origin does not say.
use Test::Nginx::Socket 'no_plan';

our $http = <<'_EOC_';
    edge_zone main size=8m;
    add_header X-Cache $edge_cache_status;
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / { return 200 "$request_id\n"; }
        location /says { add_header Cache-Control $arg_cc; return 200 "$request_id\n"; }
        location /301 { return 301 /elsewhere; }
        location /302 { return 302 /elsewhere; }
        location /404 { return 404; }
        location /410 { return 410; }
        location /500 { return 500; }
        location /503 { return 503; }
    }
_EOC_
our $pass = 'edge_cache main; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/;';
# Its answer takes two seconds.
our $wait = "location = /wait { limit_rate 400; return 200 '" . ('w' x 800) . "'; }";

run_tests();
__DATA__

=== TEST 1: without it an answer that says nothing is not stored
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass }"
--- request eval
["GET /p/p", "GET /p/p"]
--- response_headers eval
["X-Cache: MISS\nCache-Status: edge; fwd=uri-miss; fwd-status=200; detail=no-freshness", "X-Cache: MISS"]
--- no_error_log
[error]



=== TEST 2: a time alone is for 200, 301 and 302
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_valid 1m; }"
--- request eval
["GET /p/p", "GET /p/p", "GET /p/301", "GET /p/301", "GET /p/302", "GET /p/302", "GET /p/404", "GET /p/404"]
--- response_headers eval
["X-Cache: MISS\nCache-Status: edge; fwd=uri-miss; fwd-status=200; stored; ttl=60", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: HIT",
 "X-Cache: MISS", "X-Cache: HIT", "!X-Cache", "!X-Cache"]
--- error_code eval
[200, 200, 301, 301, 302, 302, 404, 404]
--- raw_response_headers_like eval
["MISS", "HIT", "MISS", "HIT", "MISS", "HIT", "fwd=uri-miss; fwd-status=404", "fwd=uri-miss; fwd-status=404"]
--- no_error_log
[error]



=== TEST 3: codes get the time they are named with, the others none
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_valid 404 410 1m; }"
--- request eval
["GET /p/404", "GET /p/404", "GET /p/410", "GET /p/410", "GET /p/p", "GET /p/p"]
--- error_code eval
[404, 404, 410, 410, 200, 200]
--- raw_response_headers_like eval
["fwd=uri-miss; fwd-status=404; stored; ttl=60", "edge; hit", "fwd=uri-miss; fwd-status=410; stored; ttl=60", "edge; hit", "fwd=uri-miss", "fwd=uri-miss"]
--- no_error_log
[error]



=== TEST 4: any is for every code
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_valid any 1m; }"
--- request eval
["GET /p/p", "GET /p/p", "GET /p/404", "GET /p/404", "GET /p/500", "GET /p/500"]
--- error_code eval
[200, 200, 404, 404, 500, 500]
--- raw_response_headers_like eval
["fwd=uri-miss", "edge; hit", "fwd=uri-miss", "edge; hit", "fwd=uri-miss", "edge; hit"]
--- no_error_log
[error]



=== TEST 5: the first line that fits counts
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_valid 404 10s; edge_cache_valid any 1m; edge_cache_valid 200 5m; }"
--- request eval
["GET /p/404", "GET /p/p"]
--- error_code eval
[404, 200]
--- raw_response_headers_like eval
["stored; ttl=10\r", "stored; ttl=60\r"]
--- no_error_log
[error]



=== TEST 6: what the origin says comes first
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_valid 1m; }"
--- request eval
["GET /p/says?cc=max-age=7", "GET /p/says?cc=no-store", "GET /p/says?cc=private", "GET /p/says?cc=max-age=0"]
--- raw_response_headers_like eval
["stored; ttl=7\r", "fwd-status=200; detail=no-store\r", "fwd-status=200; detail=private\r", "fwd-status=200; detail=no-freshness\r"]
--- no_error_log
[error]



=== TEST 7: it does not make a personal answer everybody's (RFC 9111 section 3.5)
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_valid 1m; }"
--- request eval
["GET /p/p", "GET /p/q", "GET /p/says?cc=public"]
--- more_headers eval
["Authorization: Bearer t", "Cookie: session=1", "Authorization: Bearer t"]
--- raw_response_headers_like eval
["fwd-status=200; detail=authorization\r", "fwd-status=200; detail=cookie\r", "stored; ttl=60\r"]
--- no_error_log
[error]



=== TEST 8: a time of 0 keeps an answer from being stored
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_valid 200 0; edge_cache_valid any 1m; }"
--- request eval
["GET /p/p", "GET /p/p", "GET /p/404", "GET /p/404"]
--- error_code eval
[200, 200, 404, 404]
--- raw_response_headers_like eval
["detail=no-freshness", "detail=no-freshness", "stored; ttl=60", "edge; hit"]
--- no_error_log
[error]



=== TEST 9: it is inherited, and replaced whole
--- http_config eval: "$::http    edge_cache_valid any 1m;\n"
--- config eval: "location /p/ { $::pass } location /p/404 { edge_cache main; proxy_pass http://127.0.0.1:\$TEST_NGINX_RAND_PORT_1/404; edge_cache_valid 200 5s; }"
--- request eval
["GET /p/p", "GET /p/410", "GET /p/404"]
--- error_code eval
[200, 410, 404]
--- raw_response_headers_like eval
["stored; ttl=60", "stored; ttl=60", "fwd-status=404; detail"]
--- no_error_log
[error]



=== TEST 10: off ends what was inherited
--- http_config eval: $::http
--- config eval: "edge_cache_valid any 1m; location /p/ { $::pass edge_cache_valid off; }"
--- request eval
["GET /p/p", "GET /p/p"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: MISS"]
--- no_error_log
[error]



=== TEST 11: when the time is over the origin is asked again
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_valid 1s; edge_cache_valid 404 1m; } $::wait"
--- request eval
["GET /p/p", "GET /p/404", "GET /wait", "GET /p/p", "GET /p/404"]
--- error_code eval
[200, 404, 200, 200, 404]
--- raw_response_headers_like eval
["X-Cache: MISS", "stored; ttl=60\r", "200 OK", "X-Cache: EXPIRED", "edge; hit"]
--- no_error_log
[error]

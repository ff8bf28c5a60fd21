# edge_cache_min_uses: what is asked for once is not stored.
use Test::Nginx::Socket 'no_plan';

our $http = <<'_EOC_';
    edge_zone main size=8m;
    add_header X-Cache $edge_cache_status;
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / { add_header Cache-Control "max-age=60"; return 200 "$request_uri\n"; }
        location /new { add_header Cache-Control "max-age=0"; add_header ETag '"$request_id"'; return 200 "new\n"; }
        location /private { add_header Cache-Control "private"; return 200 "private\n"; }
        location /vary { add_header Cache-Control "max-age=60"; add_header Vary X-Kind; return 200 "$http_x_kind\n"; }
    }
_EOC_
our $pass = 'edge_cache main; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;';

run_tests();
__DATA__

=== TEST 1: the third miss of a key is stored, each key for itself
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_min_uses 3; }"
--- request eval
["GET /p?a", "GET /p?b", "GET /p?a", "GET /p?a", "GET /p?a", "GET /p?b", "GET /p?b", "GET /p?b"]
--- response_headers eval
["X-Cache: MISS
Cache-Status: edge; fwd=uri-miss; fwd-status=200; detail=uses",
"X-Cache: MISS
Cache-Status: edge; fwd=uri-miss; fwd-status=200; detail=uses",
"X-Cache: MISS
Cache-Status: edge; fwd=uri-miss; fwd-status=200; detail=uses",
"X-Cache: MISS
Cache-Status: edge; fwd=uri-miss; fwd-status=200; stored; ttl=60",
"X-Cache: HIT", "X-Cache: MISS",
"X-Cache: MISS
Cache-Status: edge; fwd=uri-miss; fwd-status=200; stored; ttl=60",
"X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 2: 1 is the default, and off for one location
--- http_config eval: "$::http    edge_cache_min_uses 2;\n"
--- config eval: "location /p { $::pass } location /q { $::pass edge_cache_min_uses 1; }"
--- request eval
["GET /p", "GET /p", "GET /p", "GET /q", "GET /q"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: MISS", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 3: without the directive the first miss is stored
--- http_config eval: $::http
--- config eval: "location /p { $::pass }"
--- request eval
["GET /p", "GET /p"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 4: what must not be stored counts no use and keeps its own reason
--- http_config eval: $::http
--- config eval: "location /private { $::pass edge_cache_min_uses 2; }"
--- request eval
["GET /private", "GET /private", "GET /private"]
--- response_headers eval
["Cache-Status: edge; fwd=uri-miss; fwd-status=200; detail=private", "Cache-Status: edge; fwd=uri-miss; fwd-status=200; detail=private", "Cache-Status: edge; fwd=uri-miss; fwd-status=200; detail=private"]
--- no_error_log
[error]



=== TEST 5: the uses of a URL count for all its variants
--- http_config eval: $::http
--- config eval: "location /vary { $::pass edge_cache_min_uses 2; }"
--- request eval
["GET /vary", "GET /vary", "GET /vary", "GET /vary"]
--- more_headers eval
["X-Kind: a", "X-Kind: b", "X-Kind: a", "X-Kind: a"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: MISS", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 6: what is stored already is replaced, however seldom it was missed here
--- http_config eval: $::http
--- config eval: "location /new { $::pass edge_cache_key k; } location /n { $::pass edge_cache_key k; edge_cache_min_uses 5; proxy_pass http://127.0.0.1:\$TEST_NGINX_RAND_PORT_1/new; }" =~ s/edge_cache main; proxy_pass \S+; edge_cache_key k; edge_cache_min/edge_cache main; edge_cache_key k; edge_cache_min/r
--- request eval
["GET /n", "GET /new", "GET /n", "GET /n"]
--- response_headers eval
["Cache-Status: edge; fwd=uri-miss; fwd-status=200; detail=uses",
"Cache-Status: edge; fwd=uri-miss; fwd-status=200; stored; ttl=0",
"Cache-Status: edge; fwd=stale; fwd-status=200; stored; ttl=0",
"Cache-Status: edge; fwd=stale; fwd-status=200; stored; ttl=0"]
--- no_error_log
[error]

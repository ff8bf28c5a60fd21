# edge_cache_methods: whether a stored GET answers a HEAD.
use Test::Nginx::Socket 'no_plan';

our $http = <<'_EOC_';
    edge_zone main size=8m;
    add_header X-Cache $edge_cache_status;
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / { add_header Cache-Control "max-age=60"; add_header X-Asked $request_method; return 200 "body\n"; }
    }
_EOC_
our $pass = 'edge_cache main; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;';

run_tests();
__DATA__

=== TEST 1: by default a stored GET answers a HEAD
--- http_config eval: $::http
--- config eval: "location /p { $::pass }"
--- request eval
["GET /p", "HEAD /p"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT\nContent-Length: 5\nX-Asked: GET"]
--- response_body eval
["body\n", ""]
--- no_error_log
[error]



=== TEST 2: a HEAD stores nothing, and reaches the origin as HEAD
--- http_config eval: $::http
--- config eval: "location /p { $::pass }"
--- request eval
["HEAD /p", "HEAD /p", "GET /p"]
--- response_headers eval
["X-Cache: MISS\nX-Asked: HEAD", "X-Cache: MISS\nX-Asked: HEAD", "X-Cache: MISS\nX-Asked: GET"]
--- no_error_log
[error]



=== TEST 3: with GET alone a HEAD always goes to the origin
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_methods GET; }"
--- request eval
["GET /p", "HEAD /p", "GET /p"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: PASS\nX-Asked: HEAD\nCache-Status: edge; fwd=method; fwd-status=200", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 4: it is inherited, and replaced
--- http_config eval: $::http
--- config eval: "edge_cache_methods GET; location /p { $::pass } location /q { $::pass edge_cache_methods GET HEAD; }"
--- request eval
["GET /p", "HEAD /p", "GET /q", "HEAD /q"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: PASS", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]

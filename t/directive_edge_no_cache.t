# edge_no_cache: requests whose answers are not stored; what is stored still answers them.
use Test::Nginx::Socket 'no_plan';

our $http = <<'_EOC_';
    edge_zone main size=8m;
    add_header X-Cache $edge_cache_status;
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / { add_header Cache-Control "max-age=60"; return 200 "$http_x_turn\n"; }
    }
_EOC_
our $pass = 'edge_cache main; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;';

run_tests();
__DATA__

=== TEST 1: a value keeps the answer from being stored
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_no_cache \$http_x_draft; }"
--- request eval
["GET /p", "GET /p", "GET /p"]
--- more_headers eval
["X-Draft: 1", "X-Draft: 1", "X-Turn: 3"]
--- response_headers eval
["X-Cache: MISS\nCache-Status: edge; fwd=uri-miss; fwd-status=200", "X-Cache: MISS", "X-Cache: MISS\nCache-Status: edge; fwd=uri-miss; fwd-status=200; stored; ttl=60"]
--- no_error_log
[error]



=== TEST 2: what is stored answers all the same
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_no_cache \$http_x_draft; }"
--- request eval
["GET /p", "GET /p"]
--- more_headers eval
["X-Turn: 1", "X-Draft: 1"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 3: an empty value and 0 do not keep it
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_no_cache \$http_x_draft; }"
--- request eval
["GET /p?1", "GET /p?1", "GET /p?2", "GET /p?2"]
--- more_headers eval
["X-Draft:", "X-Draft:", "X-Draft: 0", "X-Draft: 0"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 4: with edge_cache_bypass beside it the request leaves no trace
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_no_cache \$http_x_draft; edge_cache_bypass \$http_x_draft; }"
--- request eval
["GET /p", "GET /p", "GET /p"]
--- more_headers eval
["X-Turn: 1", "X-Turn: 2\nX-Draft: 1", "X-Turn: 3"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: BYPASS", "X-Cache: HIT"]
--- response_body eval
["1\n", "2\n", "1\n"]
--- no_error_log
[error]



=== TEST 5: it is inherited, and replaced whole
--- http_config eval: $::http
--- config eval: "edge_no_cache \$http_x_a; location /p { $::pass } location /q { $::pass edge_no_cache \$http_x_b; }"
--- request eval
["GET /p", "GET /p", "GET /q", "GET /q"]
--- more_headers eval
["X-A: 1", "X-A: 1", "X-A: 1", "X-A: 1"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: MISS", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 6: off ends what was inherited
--- http_config eval: $::http
--- config eval: "edge_no_cache \$http_x_a; location /p { $::pass edge_no_cache off; }"
--- request eval
["GET /p", "GET /p"]
--- more_headers eval
["X-A: 1", "X-A: 1"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]

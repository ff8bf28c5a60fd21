# edge_cache_bypass: requests that a stored answer must not satisfy; what they bring is stored.
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

=== TEST 1: a value asks the origin, and its answer replaces what is stored
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_bypass \$http_x_reload; }"
--- request eval
["GET /p", "GET /p", "GET /p", "GET /p"]
--- more_headers eval
["X-Turn: 1", "X-Turn: 2", "X-Turn: 3\nX-Reload: yes", "X-Turn: 4"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: BYPASS\nCache-Status: edge; fwd=bypass; fwd-status=200; stored; ttl=60", "X-Cache: HIT"]
--- response_body eval
["1\n", "1\n", "3\n", "3\n"]
--- no_error_log
[error]



=== TEST 2: an empty value and 0 do not
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_bypass \$http_x_reload; }"
--- request eval
["GET /p", "GET /p", "GET /p"]
--- more_headers eval
["X-Turn: 1", "X-Reload:", "X-Reload: 0"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 3: one value of several is enough, on whichever line
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_bypass \$http_x_a \$http_x_b; edge_cache_bypass \$http_x_c; }"
--- request eval
["GET /p", "GET /p", "GET /p", "GET /p", "GET /p"]
--- more_headers eval
["X-Turn: 1", "X-A: 1", "X-B: 1", "X-C: 1", "X-D: 1"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: BYPASS", "X-Cache: BYPASS", "X-Cache: BYPASS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 4: it is inherited, and replaced whole
--- http_config eval: $::http
--- config eval: "edge_cache_bypass \$http_x_a; location /p { $::pass } location /q { $::pass edge_cache_bypass \$http_x_b; }"
--- request eval
["GET /p", "GET /p", "GET /q", "GET /q", "GET /q"]
--- more_headers eval
["X-Turn: 1", "X-A: 1", "X-Turn: 1", "X-A: 1", "X-B: 1"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: BYPASS", "X-Cache: MISS", "X-Cache: HIT", "X-Cache: BYPASS"]
--- no_error_log
[error]



=== TEST 5: off ends what was inherited
--- http_config eval: $::http
--- config eval: "edge_cache_bypass \$http_x_a; location /p { $::pass edge_cache_bypass off; }"
--- request eval
["GET /p", "GET /p"]
--- more_headers eval
["X-Turn: 1", "X-A: 1"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]

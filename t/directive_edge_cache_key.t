# edge_cache_key: which requests get the same answer.
use Test::Nginx::Socket 'no_plan';

our $http = <<'_EOC_';
    edge_zone main size=8m;
    add_header X-Cache $edge_cache_status;
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / { add_header Cache-Control "max-age=60"; return 200 "$request_uri\n"; }
    }
_EOC_
our $pass = 'edge_cache main; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;';

run_tests();
__DATA__

=== TEST 1: by default path and query tell answers apart
--- http_config eval: $::http
--- config eval: "location /p { $::pass }"
--- request eval
["GET /p?a=1", "GET /p?a=2", "GET /p?a=1", "GET /p"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: MISS", "X-Cache: HIT", "X-Cache: MISS"]
--- no_error_log
[error]



=== TEST 2: by default the host tells answers apart, in any case of letters
--- http_config eval: $::http
--- config eval: "location /p { $::pass }"
--- request eval
["GET /p", "GET /p", "GET /p"]
--- more_headers eval
["Host: one.example", "Host: two.example", "Host: ONE.example"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 3: by default the port tells answers apart, the scheme's own being none
--- http_config eval: $::http
--- config eval: "location /p { $::pass }"
--- request eval
["GET /p", "GET /p", "GET /p"]
--- more_headers eval
["Host: one.example", "Host: one.example:8080", "Host: one.example:80"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 4: a key without the query answers all queries alike
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_key \$host\$uri; }"
--- request eval
["GET /p?a=1", "GET /p?a=2"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT"]
--- response_body eval
["/p?a=1\n", "/p?a=1\n"]
--- no_error_log
[error]



=== TEST 5: a request field in the key tells answers apart
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_key \$http_x_tenant\$request_uri; }"
--- request eval
["GET /p", "GET /p", "GET /p"]
--- more_headers eval
["X-Tenant: a", "X-Tenant: b", "X-Tenant: a"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 6: a key is inherited, and replaced whole
--- http_config eval: "$::http    edge_cache_key http\$uri;\n"
--- config eval: "location /p { $::pass } location /q { $::pass edge_cache_key \$request_uri; }"
--- request eval
["GET /p?a=1", "GET /p?a=2", "GET /q?a=1", "GET /q?a=2"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: MISS"]
--- no_error_log
[error]



=== TEST 7: off is the default key again
--- http_config eval: $::http
--- config eval: "edge_cache_key \$uri; location /p { $::pass edge_cache_key off; }"
--- request eval
["GET /p?a=1", "GET /p?a=2", "GET /p?a=2"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 8: a write invalidates the answer under its own key (RFC 9111 section 4.4)
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_key \$host\$uri; }"
--- request eval
["GET /p?a=1", "GET /p?a=2", "POST /p?a=3\nx", "GET /p?a=4"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: PASS", "X-Cache: MISS"]
--- no_error_log
[error]

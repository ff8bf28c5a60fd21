# edge_cache_vary: request fields that tell answers apart although the origin forgets to say so.
use Test::Nginx::Socket 'no_plan';

our $http = <<'_EOC_';
    edge_zone main size=8m;
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / { add_header Cache-Control "max-age=60"; return 200 "$http_origin $http_x_tenant $http_accept\n"; }
        location /vary { add_header Cache-Control "max-age=60"; add_header Vary "Accept"; return 200 "$http_origin $http_x_tenant $http_accept\n"; }
    }
_EOC_
our $pass = 'edge_cache main; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;';

run_tests();
__DATA__

=== TEST 1: without it one answer is for all
--- http_config eval: $::http
--- config eval: "location /p { $::pass }"
--- request eval
["GET /p", "GET /p"]
--- more_headers eval
["Origin: http://a", "Origin: http://b"]
--- raw_response_headers_like eval
["fwd=uri-miss", "edge; hit"]
--- no_error_log
[error]



=== TEST 2: with it there is one for each value, and one for none
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_vary Origin; }"
--- request eval
["GET /p", "GET /p", "GET /p", "GET /p", "GET /p"]
--- more_headers eval
["Origin: http://a", "Origin: http://b", "X-None: 1", "Origin: http://a", "Origin: http://b"]
--- raw_response_headers_like eval
["fwd=uri-miss", "fwd=vary-miss", "fwd=vary-miss", "edge; hit", "edge; hit"]
--- response_body eval
["http://a  \n", "http://b  \n", "  \n", "http://a  \n", "http://b  \n"]
--- no_error_log
[error]



=== TEST 3: several fields count together
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_vary origin X-Tenant; }"
--- request eval
["GET /p", "GET /p", "GET /p", "GET /p"]
--- more_headers eval
["Origin: http://a\nX-Tenant: 1", "Origin: http://a\nX-Tenant: 2", "Origin: http://b\nX-Tenant: 1", "Origin: http://a\nX-Tenant: 2"]
--- raw_response_headers_like eval
["fwd=uri-miss", "fwd=vary-miss", "fwd=vary-miss", "edge; hit"]
--- no_error_log
[error]



=== TEST 4: it adds to what the origin says
--- http_config eval: $::http
--- config eval: "location /vary { $::pass edge_cache_vary Origin; }"
--- request eval
["GET /vary", "GET /vary", "GET /vary", "GET /vary"]
--- more_headers eval
["Origin: http://a\nAccept: text/html", "Origin: http://a\nAccept: text/plain", "Origin: http://b\nAccept: text/html", "Origin: http://a\nAccept: text/plain"]
--- raw_response_headers_like eval
["fwd=uri-miss", "fwd=vary-miss", "fwd=vary-miss", "edge; hit"]
--- no_error_log
[error]



=== TEST 5: it is inherited, and replaced whole
--- http_config eval: "$::http    edge_cache_vary Origin;\n"
--- config eval: "location /p { $::pass } location /q { $::pass edge_cache_vary X-Tenant; }"
--- request eval
["GET /p", "GET /p", "GET /q", "GET /q", "GET /q"]
--- more_headers eval
["Origin: http://a", "Origin: http://b", "Origin: http://a", "Origin: http://b", "X-Tenant: 1"]
--- raw_response_headers_like eval
["fwd=uri-miss", "fwd=vary-miss", "fwd=uri-miss", "edge; hit", "fwd=vary-miss"]
--- no_error_log
[error]



=== TEST 6: off ends what was inherited
--- http_config eval: $::http
--- config eval: "edge_cache_vary Origin; location /p { $::pass edge_cache_vary off; }"
--- request eval
["GET /p", "GET /p"]
--- more_headers eval
["Origin: http://a", "Origin: http://b"]
--- raw_response_headers_like eval
["fwd=uri-miss", "edge; hit"]
--- no_error_log
[error]

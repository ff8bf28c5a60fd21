# edge_cache_ignore_headers: what an origin says and is not heard.
use Test::Nginx::Socket 'no_plan';

our $http = <<'_EOC_';
    edge_zone main size=8m;
    edge_cache_valid 1m;
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location /nostore { add_header Cache-Control "no-store"; return 200 "$http_x_turn\n"; }
        location /pragma { add_header Pragma "no-cache"; return 200 "$http_x_turn\n"; }
        location /expires { add_header Expires "0"; return 200 "$http_x_turn\n"; }
        location /cookie { add_header Set-Cookie "a=$http_x_turn"; return 200 "$http_x_turn\n"; }
        location /vary { add_header Vary "X-Turn"; return 200 "$http_x_turn\n"; }
        location /star { add_header Vary "*"; return 200 "$http_x_turn\n"; }
        location /cdn { add_header CDN-Cache-Control "no-store"; return 200 "$http_x_turn\n"; }
        location /both { add_header CDN-Cache-Control "max-age=5"; add_header Cache-Control "max-age=9"; return 200 "$http_x_turn\n"; }
    }
_EOC_
our $pass = 'edge_cache main; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/;';

run_tests();
__DATA__

=== TEST 1: without it all are heard
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass }"
--- request eval
[map { "GET /p/$_" } qw(nostore pragma expires cookie star cdn both)]
--- raw_response_headers_like eval
["detail=no-store\r", "detail=no-freshness\r", "detail=no-freshness\r", "detail=set-cookie\r", "detail=vary\r", "detail=no-store\r", "stored; ttl=5\r"]
--- no_error_log
[error]



=== TEST 2: without it Vary tells answers apart
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass }"
--- request eval
["GET /p/vary", "GET /p/vary", "GET /p/vary"]
--- more_headers eval
["X-Turn: 1", "X-Turn: 2", "X-Turn: 1"]
--- raw_response_headers_like eval
["fwd=uri-miss", "fwd=vary-miss", "edge; hit"]
--- no_error_log
[error]



=== TEST 3: Cache-Control stands for Pragma too
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_ignore_headers Cache-Control; }"
--- request eval
[map { "GET /p/$_" } qw(nostore pragma expires cookie cdn)]
--- raw_response_headers_like eval
["stored; ttl=60\r", "stored; ttl=60\r", "detail=no-freshness\r", "detail=set-cookie\r", "detail=no-store\r"]
--- no_error_log
[error]



=== TEST 4: Expires
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_ignore_headers Expires; }"
--- request eval
[map { "GET /p/$_" } qw(expires nostore)]
--- raw_response_headers_like eval
["stored; ttl=60\r", "detail=no-store\r"]
--- no_error_log
[error]



=== TEST 5: with Set-Cookie the rest of an answer is stored, the cookie never
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_ignore_headers Set-Cookie; }"
--- request eval
["GET /p/cookie", "GET /p/cookie"]
--- more_headers eval
["X-Turn: 1", "X-Turn: 2"]
--- response_headers eval
["Set-Cookie: a=1\nCache-Status: edge; fwd=uri-miss; fwd-status=200; stored; ttl=60", "!Set-Cookie"]
--- response_body eval
["1\n", "1\n"]
--- no_error_log
[error]



=== TEST 6: Vary, the asterisk too
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_ignore_headers Vary; }"
--- request eval
["GET /p/vary", "GET /p/vary", "GET /p/star", "GET /p/star"]
--- more_headers eval
["X-Turn: 1", "X-Turn: 2", "X-Turn: 1", "X-Turn: 2"]
--- raw_response_headers_like eval
["fwd=uri-miss", "edge; hit", "fwd=uri-miss", "edge; hit"]
--- no_error_log
[error]



=== TEST 7: CDN-Cache-Control, and Cache-Control is heard again
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_ignore_headers CDN-Cache-Control; }"
--- request eval
["GET /p/cdn", "GET /p/both"]
--- raw_response_headers_like eval
["stored; ttl=60\r", "stored; ttl=9\r"]
--- no_error_log
[error]



=== TEST 8: several at once, in any case of letters
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_ignore_headers cache-control EXPIRES set-cookie; }"
--- request eval
[map { "GET /p/$_" } qw(nostore expires cookie cdn)]
--- raw_response_headers_like eval
["stored; ttl=60\r", "stored; ttl=60\r", "stored; ttl=60\r", "detail=no-store\r"]
--- no_error_log
[error]



=== TEST 9: it is inherited, and replaced whole
--- http_config eval: "$::http    edge_cache_ignore_headers Cache-Control;\n"
--- config eval: "location /p/ { $::pass } location /q/ { $::pass edge_cache_ignore_headers Expires; }"
--- request eval
["GET /p/nostore", "GET /q/nostore", "GET /q/expires"]
--- raw_response_headers_like eval
["stored; ttl=60\r", "detail=no-store\r", "stored; ttl=60\r"]
--- no_error_log
[error]



=== TEST 10: off ends what was inherited
--- http_config eval: $::http
--- config eval: "edge_cache_ignore_headers Cache-Control; location /p/ { $::pass edge_cache_ignore_headers off; }"
--- request eval
["GET /p/nostore", "GET /p/nostore"]
--- raw_response_headers_like eval
["detail=no-store\r", "detail=no-store\r"]
--- no_error_log
[error]

# edge_cache_stale: how long past its freshness an answer may still be sent, where the origin does not say.
use Test::Nginx::Socket 'no_plan';

our $http = <<'_EOC_';
    edge_zone main size=8m;
    add_header X-Cache $edge_cache_status;
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        if ($http_x_fail) { return 503; }
        location / { add_header Cache-Control "max-age=1"; return 200 "$http_x_turn\n"; }
        location /strict { add_header Cache-Control "max-age=1, must-revalidate"; return 200 "$http_x_turn\n"; }
        location /none { add_header Cache-Control "max-age=1, stale-while-revalidate=0, stale-if-error=0"; return 200 "$http_x_turn\n"; }
        location /own { add_header Cache-Control "max-age=1, stale-if-error=3600"; return 200 "$http_x_turn\n"; }
    }
_EOC_
our $pass = 'edge_cache main; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/;';
# Its answer takes two seconds.
our $wait = "location = /wait { limit_rate 400; return 200 '" . ('w' x 800) . "'; }";
our $turns = [map { "X-Turn: $_" } 1 .. 20];

run_tests();
__DATA__

=== TEST 1: without it a stale answer is sent neither while it is renewed nor on an error
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass } $::wait"
--- request eval
["GET /p/a", "GET /p/b", "GET /wait", "GET /p/a", "GET /p/b"]
--- more_headers eval
["X-Turn: 1", "X-Turn: 2", "X-Turn: 3", "X-Turn: 4", "X-Fail: 1"]
--- error_code eval
[200, 200, 200, 200, 503]
--- raw_response_headers_like eval
["X-Cache: MISS", "X-Cache: MISS", "200 OK", "X-Cache: EXPIRED", "fwd=stale; fwd-status=503"]
--- no_error_log
[error]



=== TEST 2: if_error= sends it in place of an error, but not when the origin answers
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_stale if_error=1h; } $::wait"
--- request eval
["GET /p/a", "GET /p/b", "GET /wait", "GET /p/a", "GET /p/b", "GET /p/new"]
--- more_headers eval
["X-Turn: 1", "X-Turn: 2", "X-Turn: 3", "X-Turn: 4", "X-Fail: 1", "X-Fail: 1"]
--- error_code eval
[200, 200, 200, 200, 200, 503]
--- raw_response_headers_like eval
["X-Cache: MISS", "X-Cache: MISS", "200 OK", "X-Cache: EXPIRED", "X-Cache: STALE", "fwd=uri-miss; fwd-status=503"]
--- response_body_like eval
["^1\n", "^2\n", "^w", "^4\n", "^2\n", "503"]
--- no_error_log
[error]



=== TEST 3: while_revalidate= sends it at once and renews it behind, but not in place of an error once that is over
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_stale while_revalidate=1h; } location /short/ { $::pass edge_cache_stale while_revalidate=0; } $::wait"
--- request eval
["GET /p/a", "GET /short/a", "GET /wait", "GET /p/a", "GET /p/a", "GET /short/a"]
--- more_headers eval: $::turns
--- raw_response_headers_like eval
["X-Cache: MISS", "X-Cache: MISS", "200 OK", "X-Cache: UPDATING", "X-Cache: HIT|X-Cache: UPDATING", "X-Cache: EXPIRED"]
--- response_body_like eval
["^1\n", "^2\n", "^w", "^1\n", "^[14]\n", "^6\n"]
--- no_error_log
[error]



=== TEST 4: a window that is over, or of no length, is none
--- http_config eval: $::http
--- config eval
"location /p/ { $::pass edge_cache_stale if_error=1s while_revalidate=1s; } location /q/ { $::pass edge_cache_stale if_error=0; } $::wait"
--- request eval
["GET /p/a", "GET /p/b", "GET /q/a", "GET /wait", "GET /wait", "GET /p/a", "GET /p/b", "GET /q/a"]
--- more_headers eval
["X-Turn: 1", "X-Turn: 2", "X-Turn: 3", "X-Turn: 4", "X-Turn: 5", "X-Turn: 6", "X-Fail: 1", "X-Fail: 1"]
--- error_code eval
[200, 200, 200, 200, 200, 200, 503, 503]
--- raw_response_headers_like eval
["MISS", "MISS", "MISS", "200 OK", "200 OK", "X-Cache: EXPIRED", "503", "503"]
--- no_error_log
[error]



=== TEST 5: what the origin says comes first (RFC 5861, RFC 9111 section 5.2.2.2)
--- http_config eval: $::http
--- config eval
"location /p/ { $::pass edge_cache_stale while_revalidate=1h if_error=1h; } location /off/ { $::pass } $::wait"
--- request eval
["GET /p/strict", "GET /p/none", "GET /p/none?2", "GET /off/own", "GET /wait", "GET /p/strict", "GET /p/none", "GET /p/none?2", "GET /off/own"]
--- more_headers eval
["X-Turn: 1", "X-Turn: 2", "X-Turn: 3", "X-Turn: 4", "X-Turn: 5", "X-Fail: 1", "X-Turn: 7", "X-Fail: 1", "X-Fail: 1"]
--- error_code eval
[200, 200, 200, 200, 200, 503, 200, 503, 200]
--- raw_response_headers_like eval
["MISS", "MISS", "MISS", "MISS", "200 OK", "503", "X-Cache: EXPIRED", "503", "X-Cache: STALE"]
--- no_error_log
[error]



=== TEST 6: it is inherited, replaced whole, and ended by off
--- http_config eval: "$::http    edge_cache_stale while_revalidate=1h if_error=1h;\n"
--- config eval
"location /p/ { $::pass } location /q/ { $::pass edge_cache_stale if_error=1h; } location /r/ { $::pass edge_cache_stale off; } $::wait"
--- request eval
["GET /p/a", "GET /p/b", "GET /q/a", "GET /q/b", "GET /r/a", "GET /r/b", "GET /wait",
 "GET /p/a", "GET /p/b", "GET /q/a", "GET /q/b", "GET /r/a", "GET /r/b"]
--- more_headers eval
["X-Turn: 1", "X-Turn: 2", "X-Turn: 3", "X-Turn: 4", "X-Turn: 5", "X-Turn: 6", "X-Turn: 7",
 "X-Turn: 8", "X-Fail: 1", "X-Turn: 10", "X-Fail: 1", "X-Turn: 12", "X-Fail: 1"]
--- error_code eval
[200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 503]
--- raw_response_headers_like eval
["MISS", "MISS", "MISS", "MISS", "MISS", "MISS", "200 OK",
 "X-Cache: UPDATING", "X-Cache: UPDATING", "X-Cache: EXPIRED", "X-Cache: STALE", "X-Cache: EXPIRED", "503"]
--- no_error_log
[error]



=== TEST 7: an origin that cannot be reached leaves an hour, unless something is said (RFC 9111 section 4.2.4)
--- http_config eval: $::http
--- config eval
my $pass = 'edge_cache main; set $origin 127.0.0.1:$TEST_NGINX_RAND_PORT_1; if ($http_x_dead) { set $origin 127.0.0.1:1; } proxy_pass http://$origin;';
"location /p/ { $pass } location /q/ { $pass edge_cache_stale while_revalidate=0; } location /off/ { $pass edge_cache_stale off; } "
. "location /zero/ { $pass edge_cache_stale if_error=0; } location /strict/ { $pass } $::wait"
--- request eval
["GET /p/a", "GET /q/a", "GET /off/a", "GET /zero/a", "GET /strict/a", "GET /wait",
 "GET /p/a", "GET /q/a", "GET /off/a", "GET /zero/a", "GET /strict/a"]
--- more_headers eval
[map { $_ < 7 ? "X-Turn: $_" : "X-Dead: 1" } 1 .. 11]
--- error_code eval
[200, 200, 200, 200, 200, 200, 200, 200, 502, 502, 502]
--- raw_response_headers_like eval
["MISS", "MISS", "MISS", "MISS", "MISS", "200 OK", "X-Cache: STALE", "X-Cache: STALE", "502", "502", "502"]
--- no_error_log
[alert]

# edge_cache_ignore_client: what a client asks of caches and is not heard.
use Test::Nginx::Socket 'no_plan';

our $http = <<'_EOC_';
    edge_zone main size=8m;
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / {
            add_header Cache-Control "max-age=60";
            add_header ETag '"one"';
            add_header Last-Modified "Thu, 01 Jan 2026 00:00:00 GMT";
            return 200 "body\n";
        }
    }
_EOC_
our $pass = 'edge_cache main; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;';

run_tests();
__DATA__

=== TEST 1: without it a client's no-cache asks the origin (RFC 9111 section 5.2.1.4)
--- http_config eval: $::http
--- config eval: "location /p { $::pass }"
--- request eval
["GET /p", "GET /p", "GET /p", "GET /p", "GET /p"]
--- more_headers eval
["X-None: 1", "Cache-Control: no-cache", "Cache-Control: max-age=0", "Pragma: no-cache", "X-None: 1"]
--- raw_response_headers_like eval
["fwd=uri-miss", "fwd=request", "fwd=request", "fwd=request", "edge; hit"]
--- no_error_log
[error]



=== TEST 2: Cache-Control does nothing then, and Pragma still does
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_ignore_client Cache-Control; }"
--- request eval
["GET /p", "GET /p", "GET /p", "GET /p"]
--- more_headers eval
["X-None: 1", "Cache-Control: no-cache", "Cache-Control: max-age=0, no-store", "Pragma: no-cache"]
--- raw_response_headers_like eval
["fwd=uri-miss", "edge; hit", "edge; hit", "fwd=request"]
--- no_error_log
[error]



=== TEST 3: Pragma
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_ignore_client Pragma; }"
--- request eval
["GET /p", "GET /p", "GET /p"]
--- more_headers eval
["X-None: 1", "Pragma: no-cache", "Cache-Control: no-cache"]
--- raw_response_headers_like eval
["fwd=uri-miss", "edge; hit", "fwd=request"]
--- no_error_log
[error]



=== TEST 4: an answer to a no-store that is not heard is stored
--- http_config eval: $::http
--- config eval: "location /p { $::pass } location /q { $::pass edge_cache_ignore_client Cache-Control; }"
--- request eval
["GET /p", "GET /p", "GET /q", "GET /q"]
--- more_headers eval
["Cache-Control: no-store", "X-None: 1", "Cache-Control: no-store", "X-None: 1"]
--- raw_response_headers_like eval
["detail=request-no-store", "fwd=uri-miss", "fwd=uri-miss.*stored", "edge; hit"]
--- no_error_log
[error]



=== TEST 5: without it a client that has the answer gets a 304
--- http_config eval: $::http
--- config eval: "location /p { $::pass }"
--- request eval
["GET /p", "GET /p", "GET /p"]
--- more_headers eval
["X-None: 1", 'If-None-Match: "one"', "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT"]
--- error_code eval
[200, 304, 304]
--- no_error_log
[error]



=== TEST 6: If-None-Match
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_ignore_client If-None-Match; }"
--- request eval
["GET /p", "GET /p", "GET /p"]
--- more_headers eval
['If-None-Match: "one"', 'If-None-Match: "one"', "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT"]
--- error_code eval
[200, 200, 304]
--- raw_response_headers_like eval
["fwd=uri-miss", "edge; hit", "edge; hit"]
--- no_error_log
[error]



=== TEST 7: If-Modified-Since
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_ignore_client If-Modified-Since; }"
--- request eval
["GET /p", "GET /p", "GET /p"]
--- more_headers eval
["If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT", "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT", 'If-None-Match: "one"']
--- error_code eval
[200, 200, 304]
--- raw_response_headers_like eval
["fwd=uri-miss", "edge; hit", "edge; hit"]
--- no_error_log
[error]



=== TEST 8: it is inherited, and replaced whole
--- http_config eval: "$::http    edge_cache_ignore_client Cache-Control;\n"
--- config eval: "location /p { $::pass } location /q { $::pass edge_cache_ignore_client Pragma; }"
--- request eval
["GET /p", "GET /p", "GET /q", "GET /q", "GET /q"]
--- more_headers eval
["X-None: 1", "Cache-Control: no-cache", "X-None: 1", "Cache-Control: no-cache", "Pragma: no-cache"]
--- raw_response_headers_like eval
["fwd=uri-miss", "edge; hit", "fwd=uri-miss", "fwd=request", "edge; hit"]
--- no_error_log
[error]



=== TEST 9: off ends what was inherited
--- http_config eval: $::http
--- config eval: "edge_cache_ignore_client Cache-Control Pragma; location /p { $::pass edge_cache_ignore_client off; }"
--- request eval
["GET /p", "GET /p"]
--- more_headers eval
["X-None: 1", "Cache-Control: no-cache"]
--- raw_response_headers_like eval
["fwd=uri-miss", "fwd=request"]
--- no_error_log
[error]

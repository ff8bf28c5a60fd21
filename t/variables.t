# $edge_cache_status, $edge_cache_key, $edge_cache_age and $edge_cache_level, in header fields and in the log.
use Test::Nginx::Socket 'no_plan';

our $http = <<'_EOC_';
    edge_zone main size=8m;
    log_format edge 'logged $request_uri [$edge_cache_status] [$edge_cache_level] [$edge_cache_age] [$edge_cache_key]';
    access_log logs/access.log edge;
    add_header X-Status "[$edge_cache_status]" always;
    add_header X-Level "[$edge_cache_level]" always;
    add_header X-Age "[$edge_cache_age]" always;
    add_header X-Key "[$edge_cache_key]" always;
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        access_log off;
        location / {
            if ($http_x_fail) { return 503; }
            add_header Cache-Control $http_x_cc;
            add_header ETag '"one"';
            add_header Age $http_x_age;
            return 200 "body\n";
        }
        location /validating {
            if ($http_if_none_match) { return 304; }
            add_header Cache-Control "max-age=1";
            add_header ETag '"one"';
            return 200 "body\n";
        }
    }
_EOC_
our $pass = 'edge_cache main; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/;';
# Its answer takes two seconds.
our $wait = "location = /wait { limit_rate 400; return 200 '" . ('w' x 800) . "'; }";

run_tests();
__DATA__

=== TEST 1: MISS and HIT, with level and age of what was stored
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass }"
--- request eval
["GET /p/a", "GET /p/a"]
--- more_headers eval
["X-CC: max-age=60", "X-CC: max-age=60"]
--- response_headers eval
["X-Status: [MISS]\nX-Level: []\nX-Age: []", "X-Status: [HIT]\nX-Level: [zone]"]
--- raw_response_headers_like eval
["X-Age: \\[\\]", "X-Age: \\[[01]\\]"]
--- no_error_log
[error]



=== TEST 2: the age counts what a cache before us said
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass }"
--- request eval
["GET /p/a", "GET /p/a"]
--- more_headers eval
["X-CC: max-age=600\nX-Age: 100", "X-None: 1"]
--- raw_response_headers_like eval
["X-Age: \\[\\]", "X-Age: \\[10[01]\\].*"]
--- no_error_log
[error]



=== TEST 3: PASS for a method that is not cached, BYPASS for a request that is not
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_bypass \$http_x_reload; }"
--- request eval
["POST /p/a\nx", "OPTIONS /p/a", "GET /p/a", "GET /p/a", "GET /p/a\nbody"]
--- more_headers eval
["X-CC: max-age=60", "X-CC: max-age=60", "X-Reload: 1", "Accept: text/event-stream", "X-CC: max-age=60"]
--- response_headers eval
["X-Status: [PASS]", "X-Status: [PASS]", "X-Status: [BYPASS]", "X-Status: [BYPASS]", "X-Status: [BYPASS]"]
--- no_error_log
[error]



=== TEST 4: EXPIRED, REVALIDATED, STALE and UPDATING for answers past their freshness
--- http_config eval: $::http
--- config eval
"location /p/ { $::pass edge_cache_stale if_error=1h; } location /q/ { $::pass edge_cache_stale while_revalidate=1h; } $::wait"
--- request eval
["GET /p/a", "GET /p/b", "GET /p/validating", "GET /q/a", "GET /wait", "GET /p/a", "GET /p/b", "GET /p/validating", "GET /q/a"]
--- more_headers eval
["X-CC: max-age=1", "X-CC: max-age=1", "X-None: 1", "X-CC: max-age=1", "X-None: 1", "X-CC: max-age=1", "X-Fail: 1", "X-None: 1", "X-CC: max-age=1"]
--- response_headers eval
["X-Status: [MISS]", "X-Status: [MISS]", "X-Status: [MISS]", "X-Status: [MISS]", "X-Status: []",
 "X-Status: [EXPIRED]\nX-Level: []", "X-Status: [STALE]\nX-Level: [zone]", "X-Status: [REVALIDATED]\nX-Level: [zone]", "X-Status: [UPDATING]\nX-Level: [zone]"]
--- response_body_like eval
["body", "body", "body", "body", "w", "body", "body", "body", "body"]
--- no_error_log
[error]



=== TEST 5: all are empty where nothing is cached
--- http_config eval: $::http
--- config eval: "location /p/ { proxy_pass http://127.0.0.1:\$TEST_NGINX_RAND_PORT_1/; }"
--- request
GET /p/a
--- response_headers
X-Status: []
X-Level: []
X-Age: []
X-Key: []
--- access_log
logged /p/a [-] [-] [-] [-]
--- no_error_log
[error]



=== TEST 6: the key is the server's name, scheme, host, port and target
--- http_config eval: $::http
--- config eval: "server_name here.example; location /p/ { $::pass }"
--- request eval
["GET /p/a?b=%2f", "GET /p/a?b=%2f"]
--- more_headers eval
["Host: Here.Example:80", "Host: other.example:81"]
--- response_headers eval
["X-Key: [localhost http://here.example/p/a?b=%2f]", "X-Key: [localhost http://other.example:81/p/a?b=%2f]"]
--- no_error_log
[error]



=== TEST 7: or what edge_cache_key says
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_key \"\$request_method \$uri\"; }"
--- request
GET /p/a?b
--- response_headers
X-Key: [GET /p/a]
--- no_error_log
[error]



=== TEST 8: the log has them too
--- http_config eval: $::http
--- config eval: "location /p/ { $::pass edge_cache_key \$uri; }"
--- pipelined_requests eval
["GET /p/a", "GET /p/a"]
--- more_headers
X-CC: max-age=600
X-Age: 100
--- access_log eval
["logged /p/a [MISS] [-] [-] [/p/a]", qr{^logged /p/a \[HIT\] \[zone\] \[10[01]\] \[/p/a\]}m]
--- no_error_log
[error]

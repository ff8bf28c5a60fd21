# edge_cache: which zone a location's answers are kept in, or none.
use Test::Nginx::Socket 'no_plan';

our $origin = <<'_EOC_';
    add_header X-Cache $edge_cache_status;
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / { add_header Cache-Control "max-age=60"; return 200 "$request_id\n"; }
    }
_EOC_
our $http = "    edge_zone main size=8m;\n$origin";
our $pass = 'proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;';

run_tests();
__DATA__

=== TEST 1: with a zone's name an answer is stored and sent again
--- http_config eval: $::http
--- config eval: "location /p { edge_cache main; $::pass }"
--- request eval
["GET /p", "GET /p"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 2: without it nothing is stored and no field is added
--- http_config eval: $::http
--- config eval: "location /p { $::pass }"
--- request eval
["GET /p", "GET /p"]
--- response_headers eval
["!X-Cache\n!Cache-Status\n!Age", "!X-Cache\n!Cache-Status\n!Age"]
--- no_error_log
[error]



=== TEST 3: what http says holds in a location
--- http_config eval: "$::http    edge_cache main;\n"
--- config eval: "location /p { $::pass }"
--- request eval
["GET /p", "GET /p"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 4: what the server says holds in a location and in one within it
--- http_config eval: $::http
--- config eval: "edge_cache main; location /p { $::pass location /p/q { $::pass } }"
--- request eval
["GET /p", "GET /p", "GET /p/q", "GET /p/q"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 5: off ends what the server said
--- http_config eval: $::http
--- config eval: "edge_cache main; location /p { edge_cache off; $::pass }"
--- request eval
["GET /p", "GET /p"]
--- response_headers eval
["!X-Cache", "!X-Cache"]
--- no_error_log
[error]



=== TEST 6: off at server level ends what http said, and a location may begin anew
--- http_config eval: "$::http    edge_cache main;\n"
--- config eval: "edge_cache off; location /p { $::pass } location /q { edge_cache main; $::pass }"
--- request eval
["GET /p", "GET /p", "GET /q", "GET /q"]
--- response_headers eval
["!X-Cache", "!X-Cache", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 7: a location may name another zone, which knows nothing of the first one's answers
--- http_config eval: "$::http    edge_zone other size=8m;\n"
--- config eval: "edge_cache main; edge_cache_key fixed; location /p { $::pass } location /q { edge_cache other; $::pass }"
--- request eval
["GET /p", "GET /p", "GET /q", "GET /q"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 8: a zone may be defined after it is named
--- http_config eval: "    edge_cache main;\n    edge_zone main size=8m;\n$::origin"
--- config eval: "location /p { $::pass }"
--- request eval
["GET /p", "GET /p"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 9: two servers share a zone, but not what they store in it
--- http_config eval
"$::http    server { listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_2; server_name second; edge_cache main; location / { $::pass } }\n"
--- config eval
"location /p { edge_cache main; $::pass } location /second { proxy_pass http://127.0.0.1:\$TEST_NGINX_RAND_PORT_2/p; proxy_set_header Host \$http_host; add_header X-Inner \$upstream_http_x_cache; }"
--- request eval
["GET /p", "GET /p", "GET /second", "GET /second"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Inner: MISS", "X-Inner: HIT"]
--- no_error_log
[error]

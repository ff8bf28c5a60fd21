# edge_zone: how much is kept, and how large one answer may be.
use Test::Nginx::Socket 'no_plan';

our $origin = <<'_EOC_';
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        root html;
        add_header Cache-Control "max-age=60";
        location /chunked/ { alias html/; sub_filter_types *; sub_filter never-there x; sub_filter_last_modified on; }
        location / { }
    }
_EOC_
our $edge = <<'_EOC_';
    location /p/ {
        edge_cache main;
        proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/;
        proxy_http_version 1.1;
        add_header X-Cache $edge_cache_status;
    }
_EOC_
our $files = sub {
    return join '', map { ">>> $_\n" . ('x' x ($_ - 1)) . "\n" } @_;
};

run_tests();
__DATA__

=== TEST 1: an answer of max_object is stored, a larger one is passed on whole
--- http_config eval: "    edge_zone main size=8m max_object=100k;\n$::origin"
--- config eval: $::edge
--- user_files eval: $::files->(99000, 110000)
--- request eval
["GET /p/99000", "GET /p/99000", "GET /p/110000", "GET /p/110000"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: MISS\nCache-Status: edge; fwd=uri-miss; fwd-status=200; detail=too-large"]
--- response_body eval
["x" x 98999 . "\n", "x" x 98999 . "\n", "x" x 109999 . "\n", "x" x 109999 . "\n"]
--- no_error_log
[error]



=== TEST 2: so is one whose length shows only at its end
--- http_config eval: "    edge_zone main size=8m max_object=100k;\n$::origin"
--- config eval: $::edge
--- user_files eval: $::files->(99000, 110000)
--- request eval
["GET /p/chunked/99000", "GET /p/chunked/99000", "GET /p/chunked/110000", "GET /p/chunked/110000"]
--- response_headers eval
["X-Cache: MISS\nTransfer-Encoding: chunked", "X-Cache: HIT\nContent-Length: 99000", "X-Cache: MISS", "X-Cache: MISS"]
--- response_body eval
["x" x 98999 . "\n", "x" x 98999 . "\n", "x" x 109999 . "\n", "x" x 109999 . "\n"]
--- no_error_log
[error]



=== TEST 3: without max_object it is a quarter of a small zone
--- http_config eval: "    edge_zone main size=2m;\n$::origin"
--- config eval: $::edge
--- user_files eval: $::files->(400000, 600000)
--- request eval
["GET /p/400000", "GET /p/400000", "GET /p/600000", "GET /p/600000"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: MISS"]
--- no_error_log
[error]



=== TEST 4: what does not fit any more takes the place of what is asked for least
--- http_config eval: "    edge_zone main size=2m max_object=512k;\n$::origin"
--- config eval: $::edge
--- user_files eval: $::files->(map { 400000 + $_ } 1 .. 8)
--- request eval
[(map { "GET /p/" . (400000 + $_) } 1 .. 8), "GET /p/400008", "GET /p/400001"]
--- response_headers eval
[("X-Cache: MISS") x 8, "X-Cache: HIT", "X-Cache: MISS"]
--- no_error_log
[error]



=== TEST 5: zones have a size each
--- http_config eval: "    edge_zone main size=2m;\n    edge_zone large size=16m;\n$::origin"
--- config eval: $::edge . '    location /large/ { edge_cache large; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/; proxy_http_version 1.1; add_header X-Cache $edge_cache_status; }'
--- user_files eval: $::files->(600000)
--- request eval
["GET /large/600000", "GET /large/600000", "GET /p/600000", "GET /p/600000"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: MISS"]
--- no_error_log
[error]

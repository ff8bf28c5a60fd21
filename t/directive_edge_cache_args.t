# edge_cache_args: which arguments of the query belong to the default key, and in which order.
use Test::Nginx::Socket 'no_plan';

our $http = <<'_EOC_';
    edge_zone main size=8m;
    add_header X-Cache $edge_cache_status;
    add_header X-Key $edge_cache_key;
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        location / { add_header Cache-Control "max-age=60"; return 200 "$request_uri\n"; }
        location /write {
            add_header Location $http_x_location always;
            add_header Content-Location $http_x_content_location always;
            return 201;
        }
    }
_EOC_
our $pass = 'edge_cache main; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;';

run_tests();
__DATA__

=== TEST 1: sort: the order of names does not tell answers apart, that of equal names does
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_args sort; }"
--- request eval
["GET /p?b=2&a=1", "GET /p?a=1&b=2", "GET /p?b=2&&a=1&", "GET /p?a=1&b=2&a=0", "GET /p?a=0&a=1&b=2", "GET /p?a=1&a=0&b=2"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 2: the origin is asked as the client asked, the key is normalised
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_args sort strip=utm_*,_cb,_; }"
--- request
GET /p?b=%41&_=17&a=1&utm_source=x&_cb=9
--- response_body
/p?b=%41&_=17&a=1&utm_source=x&_cb=9
--- response_headers eval
"X-Key: localhost http://localhost/p?a=1&b=%41"
--- no_error_log
[error]



=== TEST 3: strip: arguments that tell nothing apart, by name or by beginning
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_args strip=utm_*,fbclid,_cb,_; }"
--- request eval
["GET /p?id=1&_cb=1700", "GET /p?_=5&id=1", "GET /p?utm_source=a&id=1&utm_medium=b&fbclid=c", "GET /p?id=2&_=5", "GET /p?__=1&id=1", "GET /p?%5f=5&id=1"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: MISS", "X-Cache: MISS"]
--- no_error_log
[error]



=== TEST 4: a query of which nothing is left is no query
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_args strip=_; }"
--- request eval
["GET /p", "GET /p?_=1", "GET /p?", "GET /p?&", "GET /p?a"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: HIT", "X-Cache: HIT", "X-Cache: MISS"]
--- no_error_log
[error]



=== TEST 5: keep: nothing else tells answers apart
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_args keep=page,q*; }"
--- request eval
["GET /p?page=1&x=1&query=2", "GET /p?page=1&query=2&y=3", "GET /p?query=2&page=1", "GET /p?page=2&query=2"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: MISS"]
--- no_error_log
[error]



=== TEST 6: inherited, replaced as a whole, and off again
--- http_config eval: "$::http    edge_cache_args sort strip=_;\n"
--- config eval: "location /p { $::pass } location /q { $::pass edge_cache_args strip=x; } location /r { $::pass edge_cache_args off; }"
--- request eval
["GET /p?b=1&a=1&_=1", "GET /p?a=1&b=1", "GET /q?b=1&a=1", "GET /q?a=1&b=1", "GET /q?a=1&b=1&x=1", "GET /r?_=1", "GET /r?_=2", "GET /r", "GET /r?"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: MISS", "X-Cache: HIT", "X-Cache: MISS", "X-Cache: MISS", "X-Cache: MISS", "X-Cache: MISS"]
--- no_error_log
[error]



=== TEST 7: a write invalidates under its own normalised key
--- http_config eval: $::http
--- config eval: "location ~ . { $::pass edge_cache_args sort strip=_; }"
--- request eval
["GET /p?b=1&a=2&_=1", "GET /p?a=2&b=1", "POST /p?_=7&b=1&a=2\nx", "GET /p?a=2&b=1"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: HIT", "X-Cache: PASS", "X-Cache: MISS"]
--- no_error_log
[error]



=== TEST 8: so does what its Location and Content-Location name
--- http_config eval: $::http
--- config eval: "location ~ . { $::pass edge_cache_args sort strip=_; }"
--- request eval
["GET /p?b=1&a=2", "GET /q?a=3", "GET /r?a=4", "POST /write\nx", "GET /p?b=1&a=2&_=5", "GET /q?_=6&a=3", "GET /r?a=4&_=7"]
--- more_headers eval
["", "", "", "X-Location: /p?_=9&b=1&a=2\nX-Content-Location: http://localhost/q?_=9&a=3", "", "", ""]
--- error_code eval
[200, 200, 200, 201, 200, 200, 200]
--- response_headers eval
["X-Cache: MISS", "X-Cache: MISS", "X-Cache: MISS", "X-Cache: PASS", "X-Cache: MISS", "X-Cache: MISS", "X-Cache: HIT"]
--- no_error_log
[error]



=== TEST 9: a key of one's own is left alone, with a warning where one block has both
--- http_config eval: $::http
--- config eval: "location /p { $::pass edge_cache_key \$host\$request_uri; edge_cache_args sort; }"
--- request eval
["GET /p?b=1&a=2", "GET /p?a=2&b=1"]
--- response_headers eval
["X-Cache: MISS", "X-Cache: MISS"]
--- no_error_log
[error]

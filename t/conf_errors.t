# A wrong value does not start: nginx -t says which file and line, and what would be right.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;

my $nginx = OwnNginx->new('conf');

# What goes where a row says ZONE, SERVER or LOCATION; the line with the error ends in "# here".
sub http_of {
    my ($where, $line) = @_;
    return "    $line # here\n    server { listen 127.0.0.1:1; }" if $where eq 'http';
    my $zone = 'edge_zone main size=8m;';
    return "    $zone\n    $line # here\n    server { listen 127.0.0.1:1; }" if $where eq 'http+zone';
    return "    $zone\n    server {\n        listen 127.0.0.1:1;\n        $line # here\n    }" if $where eq 'server';
    return "    $zone\n    server {\n        listen 127.0.0.1:1;\n        location / {\n"
        . "            edge_cache main;\n            $line # here\n        }\n    }"
        if $where eq 'location';
    return "    $zone\n    server {\n        listen 127.0.0.1:1;\n        location / {\n            $line # here\n        }\n    }"
        if $where eq 'bare location';
    return "    $zone\n    server {\n        listen 127.0.0.1:1;\n        location / {\n            if (\$arg_x) {\n"
        . "                $line # here\n            }\n        }\n    }"
        if $where eq 'if';
    die "no such place: $where";
}

my $syntax = qr/invalid number of arguments in "edge_\w+" directive/;
my $place = qr/"edge_\w+" directive is not allowed here/;
my $twice = qr/"edge_\w+" directive is duplicate/;

# [where, the line, what nginx -t says of it]
my @refused = (
    ['http', 'edge_zone;', $syntax],
    ['http', 'edge_zone main;', qr/edge_zone "main" needs a size, as in size=256m/],
    ['http', 'edge_zone main max_object=1m;', qr/edge_zone "main" needs a size, as in size=256m/],
    ['http', 'edge_zone main size=;', qr/edge_zone "main": invalid size "", expected as in size=256m/],
    ['http', 'edge_zone main size=0;', qr/edge_zone "main": invalid size "0", expected as in size=256m/],
    ['http', 'edge_zone main size=-8m;', qr/edge_zone "main": invalid size "-8m", expected as in size=256m/],
    ['http', 'edge_zone main size=256mb;', qr/edge_zone "main": invalid size "256mb", expected as in size=256m/],
    ['http', 'edge_zone main size=1.5g;', qr/edge_zone "main": invalid size "1.5g", expected as in size=256m/],
    ['http', 'edge_zone main size=99999999999g;', qr/edge_zone "main": invalid size "99999999999g"/],
    ['http', 'edge_zone main size=64k;', qr/edge_zone "main" is too small, at least size=2m is needed/],
    ['http', 'edge_zone main size=8m size=16m;', qr/edge_zone "main": size= is given twice/],
    ['http', 'edge_zone main 8m;', qr/edge_zone "main": unknown parameter "8m", expected size= or max_object=/],
    ['http', 'edge_zone main size=8m inactive=1h;', qr/edge_zone "main": unknown parameter "inactive=1h", expected size= or max_object=/],
    ['http', 'edge_zone main size=8m max_object=0;', qr/edge_zone "main": invalid max_object "0", expected as in max_object=32m/],
    ['http', 'edge_zone main size=8m max_object=big;', qr/edge_zone "main": invalid max_object "big", expected as in max_object=32m/],
    ['http', 'edge_zone main size=8m max_object=3m;', qr/edge_zone "main": max_object is more than a quarter of size, at most max_object=2048k/],
    ['http', 'edge_zone main max_object=1m max_object=1m size=8m;', $syntax],
    ['http', 'edge_zone main max_object=1m max_object=1m;', qr/edge_zone "main": max_object= is given twice/],
    (map { ['http', "edge_zone $_ size=8m;", qr/edge_zone: "$_" cannot be a zone's name, choose another/] } 'edge_counters', 'edge_flights', 'edge_mine'),
    ['http', 'edge_zone off size=8m;', qr/edge_zone: "off" cannot be a zone's name, choose another/],
    ['http', 'edge_zone "" size=8m;', qr/edge_zone: "" cannot be a zone's name, choose another/],
    ['http', 'edge_zone edge_counters size=8m;', qr/edge_zone: "edge_counters" cannot be a zone's name, choose another/],
    ['http+zone', 'edge_zone main size=8m;', qr/edge_zone "main" is defined twice/],
    ['http+zone', 'edge_zone main size=16m;', qr/edge_zone "main" is defined twice/],
    ['server', 'edge_zone other size=8m;', $place],
    ['location', 'edge_zone other size=8m;', $place],

    ['http+zone', 'edge_cache elsewhere;', qr/edge_cache: unknown zone "elsewhere", define it at http level with: edge_zone elsewhere size=256m;/],
    ['server', 'edge_cache elsewhere;', qr/edge_cache: unknown zone "elsewhere", define it at http level with: edge_zone elsewhere size=256m;/],
    ['bare location', 'edge_cache elsewhere;', qr/edge_cache: unknown zone "elsewhere", define it at http level with: edge_zone elsewhere size=256m;/],
    ['bare location', 'edge_cache Main;', qr/edge_cache: unknown zone "Main"/],
    ['bare location', 'edge_cache;', $syntax],
    ['location', 'edge_cache main;', $twice],
    ['location', 'edge_cache off;', $twice],
    ['if', 'edge_cache main;', $place],

    ['location', 'edge_image;', $syntax],
    ['location', 'edge_image yes;', qr/edge_image: unexpected "yes", expected on or off/],
    ['location', 'edge_image on; edge_image off;', $twice],
    ['if', 'edge_image on;', $place],
    ['location', 'edge_image_formats;', $syntax],
    ['location', 'edge_image_formats jpeg;', qr/edge_image_formats: unexpected "jpeg", expected avif and webp in the order of preference, or off alone/],
    ['location', 'edge_image_formats webp webp;', qr/edge_image_formats: unexpected "webp"/],
    ['location', 'edge_image_formats off avif;', qr/edge_image_formats: unexpected "off"/],
    ['location', 'edge_image_args prefix=a/b;', qr/edge_image_args: invalid prefix "a\/b", expected letters, digits, "-" and "_", as in prefix=img_/],
    ['location', 'edge_image_args widths=;', qr/edge_image_args: invalid widths "", expected numbers from 1 to 16384, as in widths=320,640,1280/],
    ['location', 'edge_image_args widths=320,wide;', qr/edge_image_args: invalid widths "320,wide"/],
    ['location', 'edge_image_args 320;', qr/edge_image_args: unexpected "320", expected prefix= and widths=/],
    ['location', 'edge_image_preset sm;', $syntax],
    ['location', 'edge_image_preset sm cover;', qr/edge_image_preset: expected a size, as 300x200, 300x or x200, or a quality/],
    ['location', 'edge_image_preset sm 300x200 100x;', qr/edge_image_preset: "100x" says a second time what was said/],
    ['location', 'edge_image_preset sm 0x200;', qr/edge_image_preset: unexpected "0x200", expected a size as 300x200/],
    ['location', 'edge_image_preset s/m 300x;', qr/edge_image_preset: the name "s\/m" may have letters/],
    ['location', 'edge_image on; edge_image_preset sm 300x crop;', qr/edge_image_preset: there is no quality "crop", expected one of balanced, scientific, thumbnail/],
    ['location', 'edge_image_preset sm 300x; edge_image_preset sm 200x;', qr/edge_image_preset: "sm" is given twice here/],
    ['location', 'edge_image on; edge_image_quality best;', qr/edge_image_quality: there is no quality "best", expected one of balanced, scientific, thumbnail, or numbers after the name, as in jpeg=80/],
    ['location', 'edge_image_quality best jpeg=101;', qr/edge_image_quality: invalid "jpeg=101", expected jpeg=1 to 100, once/],
    ['location', 'edge_image_quality best webp=80;', qr/edge_image_quality: expected jpeg=1 to jpeg=100; the other formats follow from it/],
    ['location', 'edge_image_sign;', $syntax],
    ['location', 'edge_image_sign secret;', qr/edge_image_sign: unexpected "secret", expected off alone, or secret_file=PATH/],
    ['location', 'edge_image_sign secret_file=/nowhere/key;', qr{edge_image_sign: "/nowhere/key" can't be opened}],
    ['location', 'edge_image_sign secret_file=/dev/null;', qr{edge_image_sign: "/dev/null": there is no key in it}],
    ['location', 'edge_image_range bright;', qr/edge_image_range: expected auto, data, type, or the values that become black and white, as in 0 4095/],
    ['location', 'edge_image_range 5 5;', qr/edge_image_range: expected auto/],
    ['location', 'edge_image_copyright maybe;', qr/edge_image_copyright: unexpected "maybe", expected on or off/],
    ['location', 'edge_image_fallback none;', qr/edge_image_fallback: unexpected "none", expected original or error/],
    ['location', 'edge_image on; edge_image_prewarm sm xxl;', qr/edge_image_prewarm: there is no preset "xxl", expected some of lg, md, sm, xl/],
    ['location', 'edge_image_limit pixels=0;', qr/edge_image_limit: invalid pixels "0", expected 1 to 4000000000, as in pixels=100000000/],
    ['location', 'edge_image_limit time=0;', qr/edge_image_limit: invalid time "0", expected as in time=10s/],
    ['location', 'edge_image_limit width=10;', qr/edge_image_limit: unexpected "width=10", expected source=, pixels=, frames=, time=, memory= and queue=/],
    ['location', 'edge_image_limit memory=1g;', qr/edge_image_limit: memory= and queue= are the whole host's and stand in http/],
    ['http', 'edge_image_limit memory=1m;', qr/edge_image_limit: invalid memory "1m", expected 64m to 1024g, as in memory=1g/],
    ['http', 'edge_image_processes 0;', qr/edge_image_processes: unexpected "0", expected auto or a number from 1 to 64, and program=PATH/],
    ['http', 'edge_image_processes 2; edge_image_processes 2;', $twice],
    ['server', 'edge_image_processes 2;', $place],
    ['http', 'edge_image on; edge_image_processes auto program=/nowhere/render;', qr{edge_image: "/nowhere/render" can't be run \(No such file or directory\); it is built beside the module}],
    ['location', 'edge_websocket;', $syntax],
    ['location', 'edge_websocket yes;', qr/edge_websocket: unexpected "yes", expected on or off/],
    ['location', 'edge_websocket on; edge_websocket off;', $twice],
    ['if', 'edge_websocket on;', $place],
    ['location', 'edge_websocket_batch;', $syntax],
    ['location', 'edge_websocket_batch on;', qr/edge_websocket_batch: unexpected "on", expected off alone, or messages=, delay=, bytes= and protocol=/],
    ['location', 'edge_websocket_batch off delay=1s;', qr/edge_websocket_batch: unexpected "off", expected off alone, or/],
    ['location', 'edge_websocket_batch messages=0;', qr/edge_websocket_batch: invalid messages "0", expected 1 to 100000, as in messages=50/],
    ['location', 'edge_websocket_batch messages=;', qr/edge_websocket_batch: invalid messages "", expected 1 to 100000/],
    ['location', 'edge_websocket_batch delay=11s;', qr/edge_websocket_batch: invalid delay "11s", expected at most 10s, as in delay=20ms/],
    ['location', 'edge_websocket_batch delay=soon;', qr/edge_websocket_batch: invalid delay "soon", expected at most 10s/],
    ['location', 'edge_websocket_batch bytes=2m;', qr/edge_websocket_batch: invalid bytes "2m", expected 1 to 1m, as in bytes=16000/],
    ['location', 'edge_websocket_batch protocol=1;', qr/edge_websocket_batch: invalid protocol "1", expected protocol=on or protocol=off/],
    ['location', 'edge_websocket_batch delay=1s delay=2s;', qr/edge_websocket_batch: delay= is given twice/],
    ['location', 'edge_websocket_batch off; edge_websocket_batch off;', $twice],
    ['location', 'edge_websocket_priority;', $syntax],
    ['location', 'edge_websocket_priority urgent;', qr/edge_websocket_priority: .*"?urgent"?.*event=/],
    ['location', 'edge_websocket_priority event=a; edge_websocket_priority event=b;', $twice],
    ['location', 'edge_websocket_compress;', $syntax],
    ['location', 'edge_websocket_compress level=0;', qr/edge_websocket_compress: invalid level "0", expected 1 to 9, as in level=5/],
    ['location', 'edge_websocket_compress window=8;', qr/edge_websocket_compress: invalid window "8", expected 9 to 15, as in window=15/],
    ['location', 'edge_websocket_compress memory=10;', qr/edge_websocket_compress: invalid memory "10", expected 4 to 9, as in memory=8/],
    ['location', 'edge_websocket_compress min=small;', qr/edge_websocket_compress: invalid min "small", expected as in min=1k/],
    ['location', 'edge_websocket_compress context=yes;', qr/edge_websocket_compress: invalid context "yes", expected context=on or context=off/],
    ['location', 'edge_websocket_compress off level=1;', qr/edge_websocket_compress: unexpected "off", expected on, off or upstream alone, or min=/],
    ['location', 'edge_websocket_compress on; edge_websocket_compress off;', $twice],
    ['location', 'edge_websocket_limit;', $syntax],
    ['location', 'edge_websocket_limit off;', qr/edge_websocket_limit: unexpected "off", expected message=, upstream_message=, ratio=, buffer= and frames=/],
    ['location', 'edge_websocket_limit ratio=high;', qr/edge_websocket_limit: invalid ratio "high", expected 0 to 1000000, as in ratio=200/],
    ['location', 'edge_websocket_limit upstream_message=0;', qr/edge_websocket_limit: invalid upstream_message "0", expected as in upstream_message=64m/],
    ['location', 'edge_websocket_ping;', $syntax],
    ['location', 'edge_websocket_ping 500ms;', qr/edge_websocket_ping: invalid time "500ms", expected 1s to 1d, as in 30s, or off/],
    ['location', 'edge_websocket_ping often;', qr/edge_websocket_ping: invalid time "often", expected 1s to 1d/],
    ['location', 'edge_websocket_ping 30s timeout=2d;', qr/edge_websocket_ping: invalid timeout "2d", expected at most 1d, as in timeout=10s/],
    ['location', 'edge_websocket_ping 30s wait=1s;', qr/edge_websocket_ping: unexpected "wait=1s", expected off alone, or a time and timeout=/],
    ['location', 'edge_websocket_ping 30s; edge_websocket_ping off;', $twice],
    ['location', 'edge_websocket_limit message=0;', qr/edge_websocket_limit: invalid message "0", expected as in message=16m/],
    ['location', 'edge_websocket_limit buffer=1k;', qr/edge_websocket_limit: invalid buffer "1k", expected 4k to 1g, as in buffer=64k/],
    ['location', 'edge_websocket_limit frames=many;', qr/edge_websocket_limit: invalid frames "many", expected a number a second, as in frames=1000/],
    ['location', 'edge_websocket_limit frames=1; edge_websocket_limit frames=2;', $twice],

    ['location', 'edge_cache_key;', $syntax],
    ['location', 'edge_cache_key $host $uri;', $syntax],
    ['location', 'edge_cache_key "";', qr/edge_cache_key: the key is empty, expected off or variables, as in \$host\$request_uri/],
    ['location', 'edge_cache_key $uri; edge_cache_key $host$uri;', $twice],
    ['location', 'edge_cache_key off; edge_cache_key $host$uri;', $twice],

    ['location', 'edge_cache_valid;', $syntax],
    ['location', 'edge_cache_valid soon;', qr/edge_cache_valid: invalid time "soon", expected as in 10s, 5m or 1h/],
    ['location', 'edge_cache_valid 200 "";', qr/edge_cache_valid: invalid time "", expected as in 10s, 5m or 1h/],
    ['location', 'edge_cache_valid 200 -1s;', qr/edge_cache_valid: invalid time "-1s", expected as in 10s, 5m or 1h/],
    ['location', 'edge_cache_valid 200 99999999999s;', qr/edge_cache_valid: invalid time "99999999999s", expected/],
    ['location', 'edge_cache_valid 0 1m;', qr/edge_cache_valid: invalid status "0", expected any or a number from 200 to 599/],
    ['location', 'edge_cache_valid 100 1m;', qr/edge_cache_valid: invalid status "100", expected any or a number from 200 to 599/],
    ['location', 'edge_cache_valid 600 1m;', qr/edge_cache_valid: invalid status "600", expected any or a number from 200 to 599/],
    ['location', 'edge_cache_valid 200 all 1m;', qr/edge_cache_valid: invalid status "all", expected any or a number from 200 to 599/],
    ['location', 'edge_cache_valid 1m 200;', qr/edge_cache_valid: invalid status "1m", expected any or a number from 200 to 599/],
    ['location', 'edge_cache_valid 206 1m;', qr/edge_cache_valid: a 206 answer is never stored by itself, leave it out/],
    ['location', 'edge_cache_valid 304 1m;', qr/edge_cache_valid: a 304 answer is never stored by itself, leave it out/],
    ['location', 'edge_cache_valid off; edge_cache_valid 1m;', $twice],
    ['location', 'edge_cache_valid 1m; edge_cache_valid off;', $twice],

    ['location', 'edge_cache_args;', $syntax],
    ['location', 'edge_cache_args sorted;',
        qr/edge_cache_args: unexpected "sorted", expected off alone, or sort and one of strip= and keep=/],
    ['location', 'edge_cache_args sort sort;', qr/edge_cache_args: unexpected "sort", expected off alone/],
    ['location', 'edge_cache_args off sort;', qr/edge_cache_args: unexpected "off", expected off alone/],
    ['location', 'edge_cache_args strip=a keep=b;', qr/edge_cache_args: "keep=b" is too much, expected strip= or keep= once/],
    ['location', 'edge_cache_args strip=a strip=b;', qr/edge_cache_args: "strip=b" is too much, expected strip= or keep= once/],
    ['location', 'edge_cache_args strip=;', qr/edge_cache_args: "" in "strip=" cannot be an argument's name, expected as in strip=utm_\*,fbclid/],
    ['location', 'edge_cache_args keep=a,,b;', qr/edge_cache_args: "" in "keep=a,,b" cannot be an argument's name/],
    ['location', 'edge_cache_args strip=a,;', qr/edge_cache_args: "" in "strip=a," cannot be an argument's name/],
    ['location', 'edge_cache_args keep=a=1;', qr/edge_cache_args: "a=1" in "keep=a=1" cannot be an argument's name/],
    ['location', 'edge_cache_args strip=u*m;', qr/edge_cache_args: "u\*m" has a \* that is not at its end, expected as in utm_\*/],
    ['location', 'edge_cache_args sort; edge_cache_args off;', $twice],

    ['location', 'edge_cache_min_uses;', $syntax],
    ['location', 'edge_cache_min_uses 0;', qr/edge_cache_min_uses: invalid number "0", expected 1 to 65535/],
    ['location', 'edge_cache_min_uses 65536;', qr/edge_cache_min_uses: invalid number "65536", expected 1 to 65535/],
    ['location', 'edge_cache_min_uses -1;', qr/edge_cache_min_uses: invalid number "-1", expected 1 to 65535/],
    ['location', 'edge_cache_min_uses off;', qr/edge_cache_min_uses: invalid number "off", expected 1 to 65535/],
    ['location', 'edge_cache_min_uses 2; edge_cache_min_uses 3;', $twice],

    ['location', 'edge_cache_shadow;', $syntax],
    ['location', 'edge_cache_shadow yes;', qr/edge_cache_shadow: invalid "yes", expected on or off/],
    ['location', 'edge_cache_shadow on; edge_cache_shadow off;', $twice],

    ['location', 'edge_cache_methods;', $syntax],
    ['location', 'edge_cache_methods HEAD;', qr/edge_cache_methods needs GET: a HEAD is answered from a stored GET/],
    ['location', 'edge_cache_methods GET POST;', qr/edge_cache_methods: "POST" answers are not cached, expected GET or HEAD/],
    ['location', 'edge_cache_methods get;', qr/edge_cache_methods: "get" answers are not cached, expected GET or HEAD/],
    ['location', 'edge_cache_methods GET; edge_cache_methods GET HEAD;', $twice],

    ['location', 'edge_cache_bypass;', $syntax],
    ['location', 'edge_cache_bypass $arg_a; edge_cache_bypass off;', $twice],
    ['location', 'edge_cache_bypass off; edge_cache_bypass off;', $twice],
    ['location', 'edge_no_cache;', $syntax],
    ['location', 'edge_no_cache off; edge_no_cache $arg_a;', $twice],

    ['location', 'edge_cache_ignore_headers;', $syntax],
    ['location', 'edge_cache_ignore_headers X-Accel-Expires;',
        qr/edge_cache_ignore_headers: unknown header field "X-Accel-Expires", expected off or some of: Cache-Control, Expires, Set-Cookie, Vary, CDN-Cache-Control/],
    ['location', 'edge_cache_ignore_headers off Vary;', qr/edge_cache_ignore_headers: unknown header field "off", expected off or some of:/],
    ['location', 'edge_cache_ignore_headers Vary; edge_cache_ignore_headers Expires;', $twice],
    ['location', 'edge_cache_ignore_headers off; edge_cache_ignore_headers Expires;', $twice],

    ['location', 'edge_cache_ignore_client;', $syntax],
    ['location', 'edge_cache_ignore_client Authorization;',
        qr/edge_cache_ignore_client: unknown header field "Authorization", expected off or some of: Cache-Control, Pragma, If-None-Match, If-Modified-Since/],
    ['location', 'edge_cache_ignore_client Pragma; edge_cache_ignore_client Cache-Control;', $twice],

    ['location', 'edge_cache_vary;', $syntax],
    ['location', 'edge_cache_vary *;', qr/edge_cache_vary: "\*" is not a request header field's name, expected as in Origin/],
    ['location', 'edge_cache_vary Origin,Accept;', qr/edge_cache_vary: "Origin,Accept" is not a request header field's name, expected as in Origin/],
    ['location', 'edge_cache_vary "";', qr/edge_cache_vary: "" is not a request header field's name, expected as in Origin/],
    ['location', 'edge_cache_vary Origin; edge_cache_vary Accept;', $twice],

    ['location', 'edge_cache_stale;', $syntax],
    ['location', 'edge_cache_stale while_revalidate=1s if_error=1s refresh_ahead=5% more=1s;', $syntax],
    ['location', 'edge_cache_stale while_revalidate=1s if_error=1s more=1s;', qr/edge_cache_stale: unknown parameter "more=1s"/],
    (map { ['location', "edge_cache_stale $_;", qr/edge_cache_stale: "[^"]+", expected once, from refresh_ahead=1% to refresh_ahead=50%/] }
        'refresh_ahead=0%', 'refresh_ahead=51%', 'refresh_ahead=10', 'refresh_ahead=%', 'refresh_ahead=', 'refresh_ahead=5% refresh_ahead=6%'),

    ['location', 'edge_cache_collapse;', $syntax],
    ['location', 'edge_cache_collapse yes;', qr/edge_cache_collapse: "yes", expected on or off/],
    ['location', 'edge_cache_collapse off wait=1s;', qr/edge_cache_collapse: "wait=1s", expected on with wait=TIME once/],
    ['location', 'edge_cache_collapse on wait=1s wait=2s;', qr/edge_cache_collapse: "wait=2s", expected on with wait=TIME once/],
    ['location', 'edge_cache_collapse on wait=0;', qr/edge_cache_collapse: invalid time in "wait=0", expected as in wait=1s/],
    ['location', 'edge_cache_collapse on wait=soon;', qr/edge_cache_collapse: invalid time in "wait=soon", expected as in wait=1s/],
    ['location', 'edge_cache_collapse on across=all;', qr/edge_cache_collapse: "across=all", expected on with wait=TIME once and across=zone or across=redis/],
    ['location', 'edge_cache_collapse off across=redis;', qr/edge_cache_collapse: "across=redis", expected on with wait=TIME once/],
    ['location', 'edge_cache_collapse on; edge_cache_collapse off;', $twice],
    ['location', 'edge_cache_stale 30s;', qr/edge_cache_stale: unknown parameter "30s", expected while_revalidate=, if_error= and refresh_ahead=, or off alone/],
    ['location', 'edge_cache_stale updating;', qr/edge_cache_stale: unknown parameter "updating", expected while_revalidate=, if_error= and refresh_ahead=, or off alone/],
    ['location', 'edge_cache_stale off if_error=1h;', qr/edge_cache_stale: unknown parameter "off", expected while_revalidate=, if_error= and refresh_ahead=, or off alone/],
    ['location', 'edge_cache_stale if_error=;', qr/edge_cache_stale: invalid time in "if_error=", expected as in 30s or 1h/],
    ['location', 'edge_cache_stale while_revalidate=30x;', qr/edge_cache_stale: invalid time in "while_revalidate=30x", expected as in 30s or 1h/],
    ['location', 'edge_cache_stale if_error=1h if_error=2h;', qr/edge_cache_stale: if_error= is given twice/],
    ['location', 'edge_cache_stale off; edge_cache_stale if_error=1h;', $twice],

    ['http', 'edge_redis shared;', $syntax],
    ['http', 'edge_redis shared pool=2;', qr/edge_redis: expected a name and an URL, as in edge_redis main redis:\/\/10\.0\.0\.5:6379/],
    ['http', 'edge_redis shared 10.0.0.5:6379;', qr/edge_redis: parameter 2 is no URL: expected redis:\/\/host:port, rediss:\/\/host:port or unix:\/path/],
    ['http', 'edge_redis shared redis://user:secret@h:0;', qr/edge_redis: parameter 2 is no URL: expected a port from 1 to 65535(?!.*secret)/],
    ['http', 'edge_redis shared redis://127.0.0.1 pool=0;', qr/edge_redis: "pool=0", expected 1 to 16 connections of a worker, as in pool=2/],
    ['http', 'edge_redis shared redis://127.0.0.1 timeout=0;', qr/edge_redis: "timeout=0", expected a time from 1ms to 60s, as in timeout=200ms/],
    ['http', 'edge_redis shared redis://127.0.0.1 connect_timeout=2m;', qr/edge_redis: "connect_timeout=2m", expected a time from 1ms to 60s/],
    ['http', 'edge_redis shared redis://127.0.0.1 "prefix={a}";', qr/edge_redis: "prefix=\{a\}", expected up to 64 bytes without braces, as in prefix=shop:/],
    ['http', 'edge_redis shared redis://127.0.0.1 cut_off=never;', qr/edge_redis: "cut_off=never", expected a time from 1ms to 60s, as in cut_off=200ms/],
    ['http', 'edge_redis shared redis://127.0.0.1 cut_off=100ms;', qr/edge_redis: "cut_off=100ms", expected at least 500ms/],
    ['http', 'edge_redis shared redis://127.0.0.1 keep_purges=10s;', qr/edge_redis: "keep_purges=10s", expected a time of at least 60s, as in keep_purges=1d/],
    ['http', 'edge_redis shared redis://127.0.0.1 replicas=yes;', qr/edge_redis: "replicas=yes", expected replicas=on or replicas=off/],
    ['http', 'edge_redis shared redis://127.0.0.1 tls_verify=off;', qr/edge_redis: tls_ parameters are for URLs that begin with rediss:\/\//],
    ['http', 'edge_redis shared rediss://127.0.0.1 tls_key=k;', qr/edge_redis: tls_certificate= and tls_key= go together/],
    ['http', 'edge_redis a redis://127.0.0.1; edge_redis a redis://127.0.0.2;', qr/edge_redis: "a" is there already/],
    ['server', 'edge_redis a redis://127.0.0.1;', $place],

    ['location', 'edge_cache off redis=shared;', $twice],
    ['bare location', 'edge_cache main shared;', qr/edge_cache: "shared", expected redis=NAME, redis_max=SIZE, redis_part=SIZE or redis_min_uses=NUMBER/],
    ['bare location', 'edge_cache main redis=;', qr/edge_cache: "redis=", expected redis= once, with the name of an edge_redis/],
    ['bare location', 'edge_cache main redis_max=1m;', qr/edge_cache: redis_ parameters go with a zone and redis=, as in edge_cache main redis=shared/],
    ['bare location', 'edge_cache off redis=shared;', qr/edge_cache: redis_ parameters go with a zone and redis=/],
    ['bare location', 'edge_cache main redis=shared redis_max=0;', qr/edge_cache: "redis_max=0", expected a size, as in redis_max=1m/],
    ['bare location', 'edge_cache main redis=shared redis_part=1k;', qr/edge_cache: "redis_part=1k", expected a size from 4k to 8m, as in redis_part=256k/],
    ['bare location', 'edge_cache main redis=shared redis_min_uses=0;', qr/edge_cache: "redis_min_uses=0", expected a number, as in redis_min_uses=2/],
    ['bare location', 'edge_cache main redis=shared;', qr/edge_cache: unknown redis "shared", define it at http level with: edge_redis shared redis:\/\/127\.0\.0\.1:6379;/],

    ['location', 'edge_cache_tag;', $syntax],
    ['location', 'edge_cache_tag a; edge_cache_tag off;', $twice],
    ['location', 'edge_cache_tag off; edge_cache_tag a;', $twice],
    ['if', 'edge_cache_tag a;', $place],

    ['location', 'edge_cache_tag_header;', $syntax],
    ['location', 'edge_cache_tag_header "Surrogate Key";', qr/edge_cache_tag_header: "Surrogate Key" is not a header field's name, expected as in Surrogate-Key/],
    ['location', 'edge_cache_tag_header "";', qr/edge_cache_tag_header: "" is not a header field's name, expected as in Surrogate-Key/],
    ['location', 'edge_cache_tag_header etag;', qr/edge_cache_tag_header: "etag" has another meaning and would be hidden from clients, expected a field for tags only, as Cache-Tag or Surrogate-Key/],
    ['location', 'edge_cache_tag_header Cache-Groups;', qr/edge_cache_tag_header: "Cache-Groups" has another meaning/],
    ['location', 'edge_cache_tag_header Cache-Tag; edge_cache_tag_header Surrogate-Key;', $twice],

    ['location', 'edge_purge elsewhere;', qr/edge_purge: unknown zone "elsewhere", expected the name of an edge_zone;/],
    ['location', 'edge_purge main Main;', qr/edge_purge: unknown zone "Main", expected the name of an edge_zone;/],
    ['location', 'edge_purge; edge_purge main;', $twice],
    ['server', 'edge_purge;', $place],
    ['http+zone', 'edge_purge;', $place],
    ['if', 'edge_purge;', $place],

    ['location', 'edge_status html;', qr/edge_status: unknown format "html", expected json or prometheus, or memory, cache, websocket or metrics/],
    ['location', 'edge_status json prometheus;', $syntax],
    ['location', 'edge_status; edge_status prometheus;', $twice],
    ['http+zone', 'edge_status;', $place],
    ['server', 'edge_status json;', $place],
    ['if', 'edge_status json;', $place],

    ['location', 'edge_cache_ttl 1m;', qr/unknown directive "edge_cache_ttl"/],
    ['http', 'edge_redis r redis://10.0.0.1 redis://10.0.0.2;', qr/edge_redis: several URLs are nodes of a cluster \(cluster=on\) or Sentinels \(sentinel=name\)/],
    ['http', 'edge_redis r redis://10.0.0.1 cluster=on sentinel=shop;', qr/edge_redis: cluster=on and sentinel= exclude each other/],
    ['http', 'edge_redis r redis://10.0.0.1 cluster=yes;', qr/edge_redis: "cluster=yes", expected cluster=on or cluster=off/],
    ['http', 'edge_redis r redis://10.0.0.1 replicas=on;', qr/edge_redis: replicas=on needs cluster=on or sentinel=name/],
    ['http', 'edge_redis r unix:/run/r.sock cluster=on;', qr/edge_redis: the nodes of a cluster .* not unix:/],
    ['http', 'edge_redis r redis://10.0.0.1/1 cluster=on;', qr/edge_redis: a cluster has database 0 only/],
    ['http', 'edge_redis r redis://10.0.0.1/1 sentinel=shop;', qr/edge_redis: a Sentinel has no databases; .* as in sentinel=redis:\/\/mymaster\/1/],
    (map { ['http', "edge_redis r redis://10.0.0.1 sentinel=$_;", qr/edge_redis: expected the name that Sentinel gives the master, as in sentinel=mymaster or sentinel=redis:/] }
        '', 'shop:6380', 'user@shop', '%41', 'redis://shop:6380', 'http://shop', 'unix:/run/r.sock', 'redis://shop/x'),
);

for my $row (@refused) {
    my ($where, $line, $said) = @$row;
    my $text = $nginx->conf(http_of($where, $line));
    my $file = $nginx->write($text);
    my $before = (split /# here/, $text)[0];
    my $number = 1 + ($before =~ tr/\n//);
    my ($accepted, $output) = $nginx->check;
    ok(!$accepted && $output =~ /\[emerg\] [^\n]*$said[^\n]* in \Q$file\E:$number$/m, "$where: $line is refused with its place")
        or diag($output);
}

# nginx itself finds these, when all is read, and says no line.
for my $directive (qw(edge_cache_key edge_cache_bypass edge_no_cache edge_cache_tag)) {
    $nginx->write($nginx->conf(http_of('location', "$directive \$no_such_variable;")));
    my ($accepted, $output) = $nginx->check;
    ok(!$accepted && $output =~ /\[emerg\] unknown "no_such_variable" variable/, "$directive with an unknown variable is refused")
        or diag($output);
}

{
    my $text = $nginx->conf("    server {\n        listen 127.0.0.1:1;\n        location / { edge_purge; }\n    }");
    my $file = $nginx->write($text);
    my ($accepted, $output) = $nginx->check;
    ok(!$accepted && $output =~ /\[emerg\] [^\n]*edge_purge: there is nothing to purge, define a zone at http level with: edge_zone main size=256m; in \Q$file\E:\d+$/m,
        'edge_purge without any zone is refused') or diag($output);
}

{
    $nginx->write($nginx->conf(http_of('location', 'edge_cache_collapse on across=redis;')));
    my ($accepted, $output) = $nginx->check;
    ok(!$accepted && $output =~ /\[emerg\] [^\n]*edge_cache_collapse in location "\/": across=redis needs a Redis, expected as in edge_cache main redis=shared/,
        'across=redis without a Redis is refused') or diag($output);
}
{
    my $text = $nginx->conf("    edge_redis a redis://127.0.0.1;\n    edge_redis b redis://127.0.0.1:1;\n    edge_zone main size=8m;\n"
        . "    server {\n        listen 127.0.0.1:1;\n        location /a { edge_cache main redis=a; }\n        location /b { edge_cache main redis=b; } # here\n    }");
    my $file = $nginx->write($text);
    my $number = 1 + ((split /# here/, $text)[0] =~ tr/\n//);
    my ($accepted, $output) = $nginx->check;
    ok(!$accepted && $output =~ /\[emerg\] [^\n]*edge_cache: zone "main" is used with two Redis, "a" and "b"; [^\n]*expected another edge_zone for the other; in \Q$file\E:$number$/m,
        'a zone with two Redis is refused') or diag($output);
}

# An included file is named, and not the one that includes it.
{
    open my $out, '>', $nginx->dir . '/site.conf' or die;
    print {$out} "server {\n    listen 127.0.0.1:1;\n    edge_cache elsewhere;\n}\n";
    close $out;
    $nginx->write($nginx->conf("    include site.conf;\n    edge_zone main size=8m;"));
    my ($accepted, $output) = $nginx->check;
    my $file = $nginx->dir . '/site.conf';
    ok(!$accepted && $output =~ /unknown zone "elsewhere".* in \Q$file\E:3$/m, 'an unknown zone is reported where it is used')
        or diag($output);
}

# Nothing but that is wrong with what is refused above: its neighbours are accepted.
my @accepted = (
    ['http', 'edge_zone main size=2m;'],
    ['http', 'edge_zone main size=8m max_object=2m;'],
    ['http', 'edge_zone main max_object=2048k size=8192k;'],
    ['http+zone', 'edge_zone other size=8m;'],
    ['http+zone', 'edge_cache main;'],
    ['server', 'edge_cache main;'],
    ['server', 'edge_cache off;'],
    ['location', 'edge_cache_key $host$request_uri;'],
    ['location', 'edge_cache_key off;'],
    ['location', 'edge_cache_valid 10s; edge_cache_valid 404 410 1m; edge_cache_valid any 0;'],
    ['location', 'edge_cache_valid off;'],
    ['location', 'edge_cache_args sort strip=utm_*,fbclid,_cb,_;'],
    ['location', 'edge_cache_args keep=a sort;'],
    ['location', 'edge_cache_args strip=*;'],
    ['location', 'edge_cache_args off;'],
    ['location', 'edge_cache_min_uses 1;'],
    ['location', 'edge_cache_min_uses 65535;'],
    ['location', 'edge_cache_shadow on;'],
    ['location', 'edge_cache_shadow off;'],
    ['location', 'edge_cache_methods GET;'],
    ['location', 'edge_cache_methods HEAD GET;'],
    ['location', 'edge_cache_bypass $arg_a $arg_b; edge_cache_bypass $arg_c;'],
    ['location', 'edge_cache_bypass off;'],
    ['location', 'edge_no_cache $arg_a; edge_no_cache $arg_b;'],
    ['location', 'edge_no_cache off;'],
    ['location', 'edge_cache_ignore_headers cache-control EXPIRES Set-Cookie Vary CDN-Cache-Control;'],
    ['location', 'edge_cache_ignore_headers off;'],
    ['location', 'edge_cache_ignore_client Cache-Control Pragma If-None-Match If-Modified-Since;'],
    ['location', 'edge_cache_ignore_client off;'],
    ['location', 'edge_cache_vary Origin X-Tenant;'],
    ['location', 'edge_cache_vary off;'],
    ['location', 'edge_cache_stale while_revalidate=30s if_error=1h;'],
    ['location', 'edge_cache_stale if_error=1d;'],
    ['location', 'edge_cache_stale off;'],
    ['http', 'edge_redis a redis://127.0.0.1; edge_redis b redis://user:pw@[::1]:7000/3 connect_timeout=2s timeout=50ms pool=16 prefix=shop:;'],
    ['http', 'edge_redis a unix:/run/redis.sock?db=1 prefix= cut_off=500ms keep_purges=1h;'],
    ['http+zone', 'edge_redis a redis://127.0.0.1; edge_cache main redis=a; edge_cache_collapse on wait=2s across=redis;'],
    ['http', 'edge_redis a rediss://127.0.0.1 tls_verify=off tls_name=redis.test;'],
    ['http+zone', 'edge_redis a redis://127.0.0.1; edge_cache main redis=a redis_max=8m redis_part=4k redis_min_uses=2;'],
    ['location', 'edge_cache_tag "a b" $host; edge_cache_tag c;'],
    ['location', 'edge_cache_tag off;'],
    ['location', 'edge_cache_tag_header Cache-Tag Surrogate-Key xkey;'],
    ['location', 'edge_cache_tag_header off;'],
    ['location', 'edge_websocket on; edge_websocket_batch messages=1 delay=0 bytes=1 protocol=on; edge_websocket_limit message=1 buffer=4k frames=0;'],
    ['location', 'edge_websocket off; edge_websocket_batch off; edge_websocket_priority off; edge_websocket_compress off;'],
    ['location', 'edge_websocket_limit ratio=0 upstream_message=1; edge_websocket_ping 1s timeout=0;'],
    ['location', 'edge_websocket_ping off; edge_websocket_compress if=$arg_deflate level=2;'],
    ['http', 'edge_websocket on; edge_websocket_batch delay=100ms; edge_websocket_compress min=0 level=9 window=9 memory=4 context=off;'],
    ['server', 'edge_websocket_compress upstream; edge_websocket_priority event=done event=/admin,done prefix=! binary smaller=10 larger=4k engineio=off;'],
    ['http', 'edge_redis r redis://10.0.0.1:7000 rediss://user:pw@10.0.0.2 cluster=on replicas=on tls_verify=off;'],
    ['http', 'edge_redis r redis://10.0.0.1 cluster=off;'],
    ['http', 'edge_redis r redis://:pw@10.0.0.1:26379 unix:/run/sentinel.sock sentinel=shop-1 replicas=on;'],
    ['http', 'edge_redis r redis://10.0.0.1:26379 sentinel=redis://user:p%40w@shop/3;'],
    ['http', 'edge_redis r redis://10.0.0.1:26379 sentinel=rediss://shop tls_verify=off;'],
    ['location', 'edge_purge;'],
    ['location', 'edge_purge main;'],
    ['bare location', 'edge_purge;'],
    ['location', 'edge_status;'],
    ['location', 'edge_status prometheus;'],
);
for my $row (@accepted) {
    my ($where, $line) = @$row;
    $nginx->write($nginx->conf(http_of($where, $line)));
    my ($accepted, $output) = $nginx->check;
    ok($accepted, "$where: $line is accepted") or diag($output);
}

done_testing;

# edge_cache_encode: what is stored is encoded once and sent as it is.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);
use OwnNginx;

my $nginx = OwnNginx->new('encode');
my ($edge, $origin) = map { $nginx->port($_) } 0, 1;
my $pass = "proxy_pass http://127.0.0.1:$origin; proxy_http_version 1.1; proxy_set_header Host \$http_host;";
my $lines = join '', map { sprintf '{"id":%d,"name":"Spheroid %d.tiff","status":"%s","at":%d},', $_ * 7919 % 1009, $_ * $_ % 97, qw(done queued failed)[$_ % 3], $_ * 104729 % 8191 } 1 .. 30;
my $body = $lines x 3;
(my $quoted = $lines) =~ s/"/\\"/g;
my $http = <<"_EOC_";
    edge_zone main size=8m;
    edge_cache main;
    add_header X-Cache \$edge_cache_status always;
    server {
        listen 127.0.0.1:$edge;
        edge_cache_encode br gzip=6 zstd=3 types=application/json;
        location / { $pass }
        location /two { edge_cache_encode gzip=9 types=application/json; $pass }
        location /off { edge_cache_encode off; $pass }
        location /large { edge_cache_encode br min=1m types=*; $pass }
        location /text { edge_cache_encode gzip; $pass }
        location /session { edge_cache_private secret=\$cookie_session; $pass }
        location /gzipped { gzip on; gzip_types application/json; gzip_proxied any; $pass }
        location /error { edge_cache_stale if_error=1h; $pass }
        location = /purge { edge_purge; }
        location = /status { edge_status; }
    }
    map "\$http_if_none_match=\$http_x_etag" \$known { "~^(.+)=\\1\$" 1; default ""; }
    map \$http_x_version \$version { "" 1; default \$http_x_version; }
    server {
        listen 127.0.0.1:$origin;
        set \$part "$quoted";
        set \$body "\$part\$part\$part";
        default_type application/json;
        location = /never/type { default_type image/png; add_header Cache-Control \$http_x_control; return 200 \$body; }
        location = /text { default_type "text/html; charset=utf-8"; add_header Cache-Control \$http_x_control; return 200 \$body; }
        location / {
            add_header Cache-Control \$http_x_control always;
            add_header ETag \$http_x_etag always;
            add_header Vary \$http_x_vary always;
            add_header Content-Encoding \$http_x_encoded always;
            add_header X-Saw "[\$http_accept_encoding] [\$http_if_match] [\$http_if_none_match]" always;
            if (\$http_x_status = 500) { return 500 "no"; }
            if (\$http_x_status = 404) { return 404 \$body; }
            if (\$http_x_short) { return 200 "{}"; }
            if (\$known) { return 304; }
            return 200 "\$version\$body";
        }
    }
_EOC_
$nginx->write($nginx->conf($http));
$nginx->start($edge);

my @fresh = ('X-Control' => 'max-age=100');
my %decoder = (br => 'brotli -dc', gzip => 'gzip -dc', zstd => 'zstd -dcq');
sub get { my ($target, @headers) = @_; return $nginx->request($edge, 'GET', $target, @headers) }
sub coding { return $_[0]{headers}{'content-encoding'} // 'identity' }
sub status { return decode_json($nginx->request($edge, 'GET', '/status')->{content}) }
sub decoded {
    my ($answer) = @_;
    my $command = $decoder{coding($answer)} or return $answer->{content};
    my $file = $nginx->dir . '/coded';
    open my $out, '>:raw', $file or die;
    print {$out} $answer->{content};
    close $out;
    return scalar qx($command <$file);
}
sub same { my ($got, $wanted, $name) = @_; ok(($got // '') eq $wanted, $name) or diag(substr($got // 'undef', 0, 80) . " ...") }
# until($coding, $target, headers): asks until that coding comes; what comes then.
sub until_coded {
    my ($coding, $target, @headers) = @_;
    my $end = time + 4;
    my $answer;
    do { $answer = get($target, 'Accept-Encoding' => $coding, @fresh, @headers); sleep 0.02 } until coding($answer) eq $coding || time > $end;
    return $answer;
}

# each coding
for my $coding (qw(br gzip zstd)) {
    my $first = get("/$coding", 'Accept-Encoding' => $coding, @fresh, 'X-ETag' => '"e"');
    is($first->{headers}{'x-cache'} . ' ' . coding($first), 'MISS identity', "$coding: a miss comes as the origin sends it");
    is($first->{headers}{vary}, 'Accept-Encoding', "$coding: and says that this may change");
    my $answer = until_coded($coding, "/$coding", 'X-ETag' => '"e"');
    is(coding($answer), $coding, "$coding: then it is encoded");
    same(decoded($answer), "1$body", "$coding: and decodes to what it was");
    is($answer->{headers}{'content-length'}, length $answer->{content}, "$coding: its length is its own");
    cmp_ok(length $answer->{content}, '<', length($body) / 5, "$coding: it is shorter");
    is($answer->{headers}{etag}, "\"e-$coding\"", "$coding: its tag is its own");
    is($answer->{headers}{vary}, 'Accept-Encoding', "$coding: Vary");
    like($answer->{headers}{'cache-status'}, qr/^edge; hit; ttl=\d+$/, "$coding: a hit");
    ok(!exists $answer->{headers}{'accept-ranges'}, "$coding: no ranges of it");
    my $head = $nginx->request($edge, 'HEAD', "/$coding", 'Accept-Encoding' => $coding);
    is_deeply([map { $head->{headers}{$_} } qw(content-length content-encoding etag)],
        [length $answer->{content}, $coding, "\"e-$coding\""], "$coding: HEAD says the same");
    my $plain = get("/$coding");
    is($plain->{headers}{'x-cache'} . ' ' . coding($plain) . " $plain->{headers}{etag}", 'HIT identity "e"', "$coding: who does not ask gets it as it is");
    same($plain->{content}, "1$body", "$coding: all of it");
    is($plain->{headers}{vary}, 'Accept-Encoding', "$coding: with Vary too");
}

# negotiation on what has all three
until_coded($_, '/all', 'X-ETag' => 'W/"w"') for qw(br gzip zstd);
for my $case (['gzip, deflate, br, zstd', 'br'], ['gzip;q=1, br;q=0.5', 'gzip'], ['zstd, gzip;q=0.9', 'zstd'], ['br;q=0, *', 'gzip'],
    ['*', 'br'], ['identity', 'identity'], ['deflate', 'identity'], ['', 'identity'], ['identity;q=1, br;q=0.5', 'identity'],
    ['identity;q=0', 'identity'], ['identity;q=0, zstd;q=0.1', 'zstd'], ['*;q=0', 'identity'], ['x-gzip', 'gzip'], ['br;q=1.5', 'identity'])
{
    my ($accept, $want) = @$case;
    my $answer = get('/all', 'Accept-Encoding' => $accept);
    is("$answer->{status} $answer->{headers}{'x-cache'} " . coding($answer), "200 HIT $want", "Accept-Encoding: $accept");
    same(decoded($answer), "1$body", "the body that goes with it") if $want ne 'identity';
}
my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $edge);
print {$socket} "GET /all HTTP/1.1\r\nHost: 127.0.0.1:$edge\r\nAccept-Encoding: br;q=0.1\r\nAccept-Encoding: zstd\r\nConnection: close\r\n\r\n";
my $raw = do { local $/; <$socket> };
like($raw, qr/^Content-Encoding: zstd\r$/m, 'two lines are one list') ;

# validators
is(get('/all', 'Accept-Encoding' => 'br')->{headers}{etag}, 'W/"w-br"', 'a weak tag stays weak');
for my $case (['br', 'W/"w-br"', 304, 'W/"w-br"'], ['br', '"x", W/"w-br"', 304, 'W/"w-br"'], ['br', 'W/"w"', 304, 'W/"w"'],
    ['br', '"w"', 304, 'W/"w"'], ['br, gzip', 'W/"w-gzip"', 304, 'W/"w-gzip"'], ['br', 'W/"w-gzip"', 200, 'W/"w-br"'],
    ['', 'W/"w-br"', 200, 'W/"w"'], ['', 'W/"w"', 304, 'W/"w"'], ['br', '*', 304, 'W/"w-br"'], ['br', 'W/"x"', 200, 'W/"w-br"'])
{
    my ($accept, $tag, $status, $etag) = @$case;
    my $answer = get('/all', 'Accept-Encoding' => $accept, 'If-None-Match' => $tag);
    is("$answer->{status} $answer->{headers}{etag}", "$status $etag", "If-None-Match: $tag of who takes '$accept'");
    is($answer->{headers}{vary}, 'Accept-Encoding', 'Vary on it') if $status == 304;
    ok(!exists $answer->{headers}{'content-encoding'}, 'a 304 has no coding') if $status == 304;
}
is(get('/new', 'Accept-Encoding' => 'br', 'If-None-Match' => '"n-br"', @fresh, 'X-ETag' => '"n"')->{status}, 304, 'a miss knows its tags too');

# ranges
my $range = get('/all', 'Accept-Encoding' => 'br', Range => 'bytes=1-4');
is("$range->{status} $range->{content} " . coding($range), '206 {"id identity', 'a range is one of the response as it is');
is(coding(get('/all', 'Accept-Encoding' => 'br', Range => 'bytes=1-4', 'If-Range' => '"w-br"')), 'identity', 'also where If-Range says all');
is(coding($nginx->request($edge, 'HEAD', '/all', 'Accept-Encoding' => 'br', Range => 'bytes=1-4')), 'br', 'HEAD has no ranges');

# what the origin sees
like(get('/saw', 'Accept-Encoding' => 'br', @fresh)->{headers}{'x-saw'}, qr/^\[\] /, 'the origin is asked for it not encoded');
like(get('/off/saw', 'Accept-Encoding' => 'br', @fresh)->{headers}{'x-saw'}, qr/^\[br\] /, 'not where nothing is encoded');
like($nginx->request($edge, 'POST', '/saw', 'Accept-Encoding' => 'br')->{headers}{'x-saw'}, qr/^\[br\] /, 'nor for other methods');
like($nginx->request($edge, 'PUT', '/saw', 'If-Match' => '"a-br", "b"')->{headers}{'x-saw'}, qr/\["a-br", "a", "b"\]/, 'a condition on a tag of ours has its own beside it');
like($nginx->request($edge, 'PUT', '/off/saw', 'If-Match' => '"a-br"')->{headers}{'x-saw'}, qr/\["a-br"\]/, 'not elsewhere');

# what is not encoded
sub never {
    my ($target, @headers) = @_;
    my $before = status()->{cache}{encodings};
    my @codings = map { sleep 0.1; coding(get($target, 'Accept-Encoding' => 'br, gzip', @fresh, @headers)) } 1 .. 4;
    is_deeply(status()->{cache}{encodings}, $before, "$target: nothing is made");
    return "@codings";
}
my $none = 'identity identity identity identity';
is(never('/never/type'), $none, 'another type');
is(never('/never/short', 'X-Short' => 1), $none, 'a short one');
is(never('/never/no-transform', 'X-Control' => 'max-age=100, no-transform'), $none, 'no-transform');
is(never('/never/status', 'X-Status' => 404), $none, 'an error');
is(never('/never/encoded', 'X-Encoded' => 'gzip'), 'gzip gzip gzip gzip', 'what the origin has encoded, come what may');
is(never('/off/x'), $none, 'off');
is(never('/large'), $none, 'below min=');
ok(!exists get('/large')->{headers}{vary}, 'and not negotiated');
is(never('/no-store', 'X-Control' => 'no-store'), $none, 'what is not stored');
until_coded('gzip', '/text');
is(coding(get('/text', 'Accept-Encoding' => 'gzip')), 'gzip', 'by default text is');

# an origin that varies
get('/vary', @fresh, 'X-Vary' => 'Accept-Encoding, X-Lang', 'X-Lang' => 'cs');
is(get('/vary', 'Accept-Encoding' => 'gzip', 'X-Lang' => 'cs')->{headers}{'x-cache'}, 'HIT', 'Vary: Accept-Encoding does not multiply what is not encoded');
is(get('/vary', 'Accept-Encoding' => 'gzip', 'X-Lang' => 'en')->{headers}{'x-cache'}, 'MISS', 'what else it names does');
is(until_coded('gzip', '/vary', 'X-Lang' => 'cs')->{headers}{vary}, 'Accept-Encoding, X-Lang', 'and is said once');
get('/vary2', @fresh, 'Accept-Encoding' => 'gzip', 'X-Vary' => 'Accept-Encoding', 'X-Encoded' => 'gzip');
is(get('/vary2', 'Accept-Encoding' => 'gzip')->{headers}{'x-cache'}, 'HIT', 'what the origin encoded all the same is sent to who takes it');
is(get('/vary2', @fresh)->{headers}{'x-cache'}, 'MISS', 'and to nobody else');

# purge, replacement, renewal
until_coded('gzip', '/purged');
$nginx->send($edge, 'POST', '/purge', encode_json({ urls => ["http://127.0.0.1:$edge/purged"] }), 'Content-Type' => 'application/json');
my $after = get('/purged', 'Accept-Encoding' => 'gzip', @fresh, 'X-Version' => 2);
is("$after->{headers}{'x-cache'} " . coding($after), 'MISS identity', 'a purge takes the encoded one too');
same(decoded(until_coded('gzip', '/purged')), "2$body", 'what is encoded then is the new one');

until_coded('gzip', '/renewed', 'X-Control' => 'max-age=100', 'X-ETag' => '"v"');
my $made = status()->{cache}{encodings}{gzip};
my $renewed = get('/renewed', 'Accept-Encoding' => 'gzip', 'Cache-Control' => 'no-cache', 'X-ETag' => '"v"', 'X-Control' => 'max-age=50');
is("$renewed->{headers}{'x-cache'} " . coding($renewed) . " $renewed->{headers}{etag}", 'REVALIDATED gzip "v-gzip"', 'a 304 keeps what is encoded');
same(decoded($renewed), "1$body", 'its body is what goes out');
is($renewed->{headers}{'cache-control'}, 'max-age=50', 'with the lines of the 304');
is(status()->{cache}{encodings}{gzip}, $made, 'nothing was encoded again');
my $replaced = get('/renewed', 'Accept-Encoding' => 'gzip', 'Cache-Control' => 'no-cache', 'X-ETag' => '"v2"', @fresh, 'X-Version' => 2);
is("$replaced->{headers}{'x-cache'} " . coding($replaced), 'EXPIRED identity', 'another body does not');
same(decoded(until_coded('gzip', '/renewed')), "2$body", 'it has its own');

until_coded('gzip', '/error/x');
$nginx->send($edge, 'POST', '/purge', encode_json({ urls => ["http://127.0.0.1:$edge/error/x"], soft => JSON::PP::true }));
my $failed = get('/error/x', 'Accept-Encoding' => 'gzip', 'X-Status' => 500);
is("$failed->{headers}{'x-cache'} " . coding($failed), 'STALE gzip', 'in place of an error the encoded one goes out too');
same(decoded($failed), "1$body", 'whole');

# per user
until_coded('gzip', '/session', Cookie => 'session=alice-0123456789abcdef', 'X-Version' => 'alice');
same(get('/session', 'Accept-Encoding' => 'gzip', Cookie => 'session=bob-0123456789abcdefgh', @fresh, 'X-Version' => 'bob')->{content}, "bob$body", 'nobody gets another one\'s');
same(decoded(until_coded('gzip', '/session', Cookie => 'session=bob-0123456789abcdefgh')), "bob$body", 'nor encoded');
same(decoded(get('/session', 'Accept-Encoding' => 'gzip', Cookie => 'session=alice-0123456789abcdef')), "alice$body", 'each has theirs');

# two steps
my $slow = until_coded('gzip', '/two');
my ($quick, $end) = (length $slow->{content}, time + 4);
do { $slow = get('/two', 'Accept-Encoding' => 'gzip'); sleep 0.05 } until length $slow->{content} != $quick || time > $end;
cmp_ok(length $slow->{content}, '<', $quick, 'what is asked for often is encoded better');
same(decoded($slow), "1$body", 'and the same');
my $twice = status()->{cache}{encodings}{gzip};
get('/two', 'Accept-Encoding' => 'gzip') for 1 .. 10;
is(status()->{cache}{encodings}{gzip}, $twice, 'once');

# beside nginx's own gzip
my $own = get('/gzipped', 'Accept-Encoding' => 'gzip', @fresh, 'X-ETag' => '"g"');
is("$own->{headers}{'x-cache'} " . coding($own), 'MISS gzip', 'gzip on encodes what comes first');
is($own->{headers}{etag}, 'W/"g"', 'with a weak tag');
is(get('/gzipped', 'Accept-Encoding' => 'gzip', 'If-None-Match' => 'W/"g"')->{status}, 304, 'that is known');
do { $own = get('/gzipped', 'Accept-Encoding' => 'gzip'); sleep 0.05 } until ($own->{headers}{etag} // '') eq '"g-gzip"' || time > $end + 5;
same(decoded($own), "1$body", 'and then leaves ours alone');

my $figures = status();
cmp_ok($figures->{cache}{encodings}{br}, '>=', 2, 'encodings are counted');
cmp_ok($figures->{cache}{encoding_bytes}{before}, '>', 5 * $figures->{cache}{encoding_bytes}{after}, 'their bytes');
cmp_ok($figures->{cache}{encoding_bytes}{saved}, '>', 0, 'what they save');
cmp_ok($figures->{cache}{sent_encoded}{gzip}, '>', 5, 'and how often they go out');
cmp_ok($figures->{latency}{encode}{count}, '>', 5, 'and how long it took');
is($figures->{cache}{encodings}{failed}, 0, 'none failed');
is($nginx->log =~ /\[(alert|crit|emerg)\]/ ? $nginx->log : '', '', 'no alert');
$nginx->stop;

# what a configuration may say
sub refused {
    my ($directive) = @_;
    $nginx->write($nginx->conf("edge_zone main size=8m; edge_cache main; server { listen 127.0.0.1:$edge; $directive }"));
    my ($good, $output) = $nginx->check;
    return $good ? 'accepted' : ($output =~ /\[emerg\] (.*?) in \S+:\d+$/m)[0] // $output;
}
like(refused('edge_cache_encode br=12;'), qr/edge_cache_encode: "br=12", expected a level from 0 to 11/, 'levels of brotli');
like(refused('edge_cache_encode gzip=0;'), qr/expected a level from 1 to 9/, 'of gzip');
like(refused('edge_cache_encode zstd=x;'), qr/expected a level from 1 to 19/, 'of zstd');
like(refused('edge_cache_encode deflate;'), qr/"deflate", expected br, gzip or zstd/, 'an unknown coding');
like(refused('edge_cache_encode br br=2;'), qr/"br=2", expected it once/, 'one twice');
like(refused('edge_cache_encode min=1k;'), qr/no coding is named/, 'none');
like(refused('edge_cache_encode br min=x;'), qr/expected a size/, 'min');
like(refused('edge_cache_encode br types=text;'), qr/expected media types/, 'types');
like(refused('edge_cache_encode br threads=none;'), qr/unknown thread pool "none"/, 'threads');
like(refused('edge_cache_encode br; edge_cache_encode off;'), qr/is duplicate/, 'twice');
is(refused('edge_cache_encode off;'), 'accepted', 'off');
is(refused('edge_cache_encode zstd=19 br=11 gzip=9 min=0 types=*;'), 'accepted', 'all there is');

done_testing;

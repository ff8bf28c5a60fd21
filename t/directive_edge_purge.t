# edge_purge: who may purge what, by PURGE and by JSON, and what is answered.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use OwnNginx;

my $nginx = OwnNginx->new('purge');
my ($edge, $origin, $other) = map { $nginx->port($_) } 0, 1, 2;
my $pass = "proxy_pass http://127.0.0.1:$origin; proxy_http_version 1.1; proxy_set_header Host \$http_host;";
$nginx->write($nginx->conf(<<"_EOC_"));
    edge_zone main size=8m;
    edge_zone second size=8m;
    client_body_buffer_size 1k;
    client_max_body_size 0;
    add_header X-Cache \$edge_cache_status;
    server {
        listen 127.0.0.1:$edge;
        location / {
            edge_cache main;
            edge_purge;
            limit_except GET POST PUT DELETE { allow 127.0.0.1; deny all; }
            $pass
        }
        location /closed/ {
            edge_cache main;
            edge_purge;
            limit_except GET POST { deny all; }
            $pass
        }
        location /plain/ { edge_cache main; $pass }
        location /nested/ {
            edge_cache main; edge_purge; $pass
            location /nested/inner/ { $pass }
        }
        location /second/ { edge_cache second; edge_purge; $pass }
        location /keyed/ { edge_cache main; edge_cache_key "\$uri"; edge_purge; $pass }
        location /args/ { edge_cache main; edge_cache_args sort strip=utm_*; edge_purge; $pass }
        location = /purge/args { edge_purge; edge_cache_args sort strip=utm_*; }
        location /error/ { edge_cache main; error_page 403 \@purge; deny all; $pass }
        location \@purge { edge_cache main; edge_purge; $pass }
        location = /purge { edge_purge; }
        location = /purge/second { edge_purge second; }
        location = /purge/named { edge_cache main; edge_purge main second; }
        location = /uncached { edge_cache off; $pass }
        location = /status { edge_status; }
    }
    server {
        listen 127.0.0.1:$origin;
        location / { add_header Cache-Control max-age=600; return 200 \$request_id; }
        location /vary { add_header Cache-Control max-age=600; add_header Vary X-Kind; return 200 \$request_id; }
    }
_EOC_
$nginx->start($edge);

sub get { my ($target, %headers) = @_; return $nginx->request($edge, 'GET', $target, %headers) }
sub cache_of { return get(@_)->{headers}{'x-cache'} }
sub purge { my ($target, %headers) = @_; return $nginx->request($edge, 'PURGE', $target, %headers) }
sub post { my ($target, $json, %headers) = @_; return $nginx->send($edge, 'POST', $target, $json, %headers) }
# stored(@targets): they are stored, and one more request is a hit.
sub stored { for my $target (@_) { get($target); is(cache_of($target), 'HIT', "$target is stored") } }
# purged($name, @targets)
sub purged { my ($name, @targets) = @_; is(join(' ', map { cache_of($_) } @targets), join(' ', ('MISS') x @targets), $name) }
sub kept { my ($name, @targets) = @_; is(join(' ', map { cache_of($_) } @targets), join(' ', ('HIT') x @targets), $name) }
sub reason { my ($answer) = @_; return eval { decode_json($answer->{content})->{error} } // $answer->{content} }

# PURGE for the very URL
stored('/a', '/a?b=1', '/b');
my $answer = purge('/a');
is($answer->{status}, 200, 'PURGE is answered');
is($answer->{headers}{'content-type'}, 'application/json', 'in JSON');
is($answer->{headers}{'cache-control'}, 'no-store', 'that is not stored');
my $said = decode_json($answer->{content});
is_deeply($said->{purged}, { tags => 0, urls => 1, prefix => JSON::PP::false, all => JSON::PP::false, soft => JSON::PP::false }, 'it says what was applied');
is_deeply($said->{zones}, [{ zone => 'main', sequence => $said->{sequence}, reach => 'host' }], 'where, the sequence number, and that no other host is concerned');
is($said->{sequence}, 1, 'which begins with 1');
purged('the URL is gone', '/a');
kept('another query and another path are not', '/a?b=1', '/b');
is(decode_json(purge('/never/seen')->{content})->{sequence}, 2, 'a URL that is not stored is purged as well');
kept('what is stored after a purge stays', '/a');

get('/vary', 'X-Kind' => $_) for 1, 2;
is(cache_of('/vary', 'X-Kind' => 1), 'HIT', 'variants are stored');
purge('/vary');
is(join(' ', map { cache_of('/vary', 'X-Kind' => $_) } 1, 2, 1), 'MISS MISS HIT', 'PURGE takes all variants');

stored('/keyed/x?1');
is(cache_of('/keyed/x?2'), 'HIT', 'with a key of its own');
purge('/keyed/x?3');
purged('PURGE takes what has the same key', '/keyed/x?1');

stored('/args/x?b=2&utm_source=m&a=1', '/args/y?a=1&b=2');
purge('/args/x?a=1&b=2&utm_source=n');
purged('with edge_cache_args what is the same after it', '/args/x?utm_source=o&b=2&a=1');
post('/purge/args', '{"urls":["/args/y?b=2&a=1&utm_x"]}');
purged('in JSON too, where it holds there', '/args/y?a=1&b=2');

# where it is not allowed
stored('/closed/a', '/plain/a', '/nested/inner/a');
is(purge('/plain/a')->{status}, 405, 'without edge_purge PURGE is refused');
is(purge('/closed/a')->{status}, 403, 'and where access rules say no');
is(purge('/nested/inner/a')->{status}, 405, 'an inner location does not inherit it');
is(purge('/error/a')->{status}, 403, 'an error page does not purge for who may not');
kept('and nothing was purged', '/closed/a', '/plain/a', '/nested/inner/a');
unlike(purge('/uncached')->{content}, qr/sequence/, 'without a cache PURGE is the app\'s');

# JSON
stored('/a', '/b', '/c?x=%20', '/x/1', '/x/2?q', '/y/x/3');
$answer = post('/purge', '{"urls":["/a","http://127.0.0.1:' . $edge . '/c?x=%20"]}');
is($answer->{status}, 200, 'a POST is answered');
$said = decode_json($answer->{content});
is($said->{purged}{urls}, 2, 'with the number of URLs');
is_deeply([map { $_->{zone} } @{ $said->{zones} }], ['main', 'second'], 'without edge_cache it acts on all zones');
purged('the URLs are gone, relative and absolute', '/a', '/c?x=%20');
kept('others are not', '/b', '/x/1');
post('/purge', '{"urls":["/b"]}', Host => 'other.example');
kept('a path is one of the host that the request names', '/b');
post('/purge', '{"urls":["HTTP://x"]}');
post('/purge', '{"prefix":"/x/"}');
purged('a prefix takes what begins with it', '/x/1', '/x/2?q');
kept('and nothing else', '/y/x/3', '/b');
post('/purge', '{"prefix":"https://127.0.0.1:' . $edge . '/y/"}');
purged('a prefix may be a URL; its scheme does not count', '/y/x/3');
stored('/second/a');
post('/purge/second', '{"all":true}');
purged('all takes everything', '/second/a');
kept('in the zones named', '/b');
is(scalar @{ decode_json(post('/purge/named', '{"all":true}')->{content})->{zones} }, 2, 'names count more than edge_cache');
purged('all, here too', '/b', '/second/a');

# what is no purge
for ([GET => 405], [HEAD => 405], [PUT => 405], [DELETE => 405], [OPTIONS => 405]) {
    my ($method, $status) = @$_;
    my $refused = $nginx->request($edge, $method, '/purge');
    is($refused->{status}, $status, "$method is refused");
    is($refused->{headers}{allow}, 'POST, PURGE', "$method: it says what is not");
}
for (
    ['', 400, qr/^not JSON: expected \{/],
    ['{', 400, qr/^a member name/],
    ['{"tag":["a"]}', 400, qr/^unknown member tag, expected tags, urls, prefix, all or soft$/],
    ['{"tags":"a"}', 400, qr/^tags must be a list of strings$/],
    ['{"soft":true}', 400, qr/^nothing to purge/],
    ['{"urls":["http://"]}', 400, qr/^a member of urls is not a URL$/],
    ['{"prefix":"http://u@h/"}', 400, qr/^prefix is not a URL$/],
    ['{"all":true}' . ' ' x (1024 * 1024), 413, qr/^more than 1 MB$/],
    ['{"tags":[' . join(',', ('"t"') x 4097) . ']}', 413, qr/^more than 4096 tags and urls$/],
    [["\x7b", '"all":', 'true', ' ' x 1000_000, ' ' x 100_000], 413, qr/^more than 1 MB$/],
) {
    my ($json, $status, $why) = @$_;
    my $name = ref $json ? 'chunks' : substr $json, 0, 40;
    my $refused = post('/purge', $json);
    is($refused->{status}, $status, "$name: status");
    like(reason($refused), $why, "$name: reason");
}
stored('/d');
my $many = '{"tags":[' . join(',', map { "\"tag number $_\"" } 1 .. 4000) . "]}";
is(decode_json(post('/purge', $many)->{content})->{purged}{tags}, 4000, 'a body that goes to a file is read');
is(decode_json(post('/purge', [$many =~ /(.{1,3000})/gs])->{content})->{purged}{tags}, 4000, 'so are chunks');
kept('which concern nobody here', '/d');
is(post('/b', '{"all":true}')->{status}, 200, 'a POST where the app is goes to the app');
kept('and is no purge of all', '/d');

# status
my $page = decode_json(get('/status')->{content});
my ($main) = grep { $_->{name} eq 'main' } @{ $page->{zones} };
cmp_ok($main->{purge_tags}, '>=', 4000, 'the status page counts tags');
cmp_ok($main->{purge_sequence}, '>', 10, 'and numbers');
cmp_ok($main->{purge_floor}, '>', 0, 'and has the floor');
is($page->{cache}{purges}{all}, 2, 'purges of all');
is($page->{cache}{purges}{tags}, 8000, 'purged tags');
is($page->{cache}{purges}{prefixes}, 2, 'purged prefixes');
cmp_ok($page->{cache}{purged}{found}, '>=', 10, 'and what was found dead');

# over a reload
stored('/e');
$nginx->reload;
kept('a reload keeps what is stored', '/e');
purge('/d');
purged('and what was purged before and after', '/d', '/x/1');
unlike($nginx->log, qr/\[(alert|crit|error|emerg)\](?!.*forbidden)/, 'nothing went wrong');
done_testing;

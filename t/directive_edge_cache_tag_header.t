# edge_cache_tag_header: tags that the origin names in header fields.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use OwnNginx;

my $nginx = OwnNginx->new('tag_header');
my ($edge, $origin) = map { $nginx->port($_) } 0, 1;
my $pass = "proxy_pass http://127.0.0.1:$origin; proxy_http_version 1.1; proxy_buffer_size 256k; proxy_buffers 4 256k; proxy_busy_buffers_size 512k;";
# nginx takes 4 KB for one text.
my $part = join ' ', map { "tag-number-$_" } 1 .. 250;
my $huge = 'set $part "' . $part . ' "; add_header Surrogate-Key "' . '$part' x 28 . '";';
my $same = 'set $part "' . 'again,' x 600 . '"; add_header Surrogate-Key "' . '$part' x 28 . '";';
$nginx->write($nginx->conf(<<"_EOC_"));
    edge_zone main size=8m;
    edge_cache main;
    edge_cache_tag_header Surrogate-Key Cache-Tag;
    add_header X-Cache \$edge_cache_status;
    server {
        listen 127.0.0.1:$edge;
        location / { $pass }
        location /off/ { edge_cache_tag_header off; $pass }
        location /renewed/ { $pass }
        location = /purge { edge_purge; }
        location = /status { edge_status; }
    }
    server {
        listen 127.0.0.1:$origin;
        location / { add_header Cache-Control max-age=600; add_header Surrogate-Key \$arg_key; add_header Surrogate-Key \$arg_more; add_header cache-tag \$arg_tag; return 200 \$request_id; }
        location /uncached { add_header Cache-Control no-store; add_header Surrogate-Key k; return 200 \$request_id; }
        location /huge { add_header Cache-Control max-age=600; $huge return 200 \$request_id; }
        location /same { add_header Cache-Control max-age=600; $same return 200 \$request_id; }
        location /renewed/ {
            add_header Cache-Control max-age=1;
            add_header ETag '"one"';
            add_header Surrogate-Key \$http_x_key;
            if (\$http_if_none_match = '"one"') { return 304; }
            return 200 \$request_id;
        }
    }
_EOC_
$nginx->start($edge);

sub get { my ($target, %headers) = @_; return $nginx->request($edge, 'GET', $target, %headers) }
sub caches { return join ' ', map { get($_)->{headers}{'x-cache'} } @_ }
sub purge {
    my $answer = $nginx->send($edge, 'POST', '/purge', encode_json({ tags => [@_] }));
    is($answer->{status}, 200, "purge of @_");
}

my @all = ('/a?key=p1,p2', '/b?tag=p2,,p3,', '/c?key=p4&more=p5&tag=p6', '/d?key=');
caches(@all);
is(caches(@all), 'HIT HIT HIT HIT', 'all are stored');
purge('p2');
is(caches(@all), 'MISS MISS HIT HIT', 'one tag of two fields');
purge('p3');
is(caches(@all), 'HIT MISS HIT HIT', 'empty members do not matter');
purge('p5');
is(caches(@all), 'HIT HIT MISS HIT', 'several lines of a field count');
purge('p6');
is(caches(@all), 'HIT HIT MISS HIT', 'and several fields');
purge('p1,p2', 'p', 'P1');
is(caches(@all), 'HIT HIT HIT HIT', 'a tag is one member as it is');

my $miss = get('/e?key=p1&tag=p2');
my $hit = get('/e?key=p1&tag=p2');
is("$miss->{headers}{'x-cache'} $hit->{headers}{'x-cache'}", 'MISS HIT', 'a miss and a hit');
for my $answer ($miss, $hit, get('/uncached'), $nginx->request($edge, 'HEAD', '/e?key=p1&tag=p2'), $nginx->request($edge, 'POST', '/e?key=p1&tag=p2')) {
    ok(!exists $answer->{headers}{$_}, "clients do not see $_") for qw(surrogate-key cache-tag);
}
my $seen = get('/off/a?key=p1&tag=p2');
is($seen->{headers}{'surrogate-key'}, 'p1', 'without the directive they do');
caches('/off/a?key=p1&tag=p2');
purge('p1');
is(caches('/off/a?key=p1&tag=p2'), 'HIT', 'and it is no tag');

is(caches('/huge', '/huge'), 'MISS MISS', '100 KB of tags are not stored');
like(get('/huge')->{headers}{'cache-status'}, qr/detail=tags$/, 'because of the tags');
cmp_ok(decode_json(get('/status')->{content})->{cache}{not_stored}{tags}, '==', 3, 'which is counted');
is(caches('/same', '/same'), 'MISS HIT', '100 KB of one tag are one tag');
purge('again');
is(caches('/same', '/same'), 'MISS HIT', 'that can be purged');

# 304
sub renewed { my ($n, @headers) = @_; return get("/renewed/$n", @headers)->{headers}{'x-cache'} }
renewed($_, 'X-Key' => 'old') for 1 .. 3;
select undef, undef, undef, 1.1;
is(renewed(1, 'X-Key' => 'new'), 'REVALIDATED', 'a 304 with tags');
is(renewed(2), 'REVALIDATED', 'and one without');
is(renewed(3), 'REVALIDATED', 'and another');
purge('old');
isnt(renewed(1), 'MISS', 'tags of a 304 replace those before');
is(renewed(2), 'MISS', 'a 304 without tags leaves them');
is(renewed(3, 'X-Key' => 'new'), 'MISS', 'in each answer');
purge('new');
is(renewed(1), 'MISS', 'the new ones count');
unlike($nginx->log, qr/\[(alert|crit|error|emerg)\]/, 'nothing went wrong');
done_testing;

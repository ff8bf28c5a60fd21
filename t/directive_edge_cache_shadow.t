# edge_cache_shadow: the cache looks up and stores, the origin answers, and the two are compared.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);
use OwnNginx;

my $nginx = OwnNginx->new('shadow');
my ($edge, $origin) = map { $nginx->port($_) } 0, 1;

# The origin says what the request asks for, so that one URL can change.
my $http = <<"_EOC_";
    edge_zone main size=8m;
    server {
        listen 127.0.0.1:$edge;
        proxy_http_version 1.1;
        edge_cache main;
        edge_cache_shadow on;
        location / { add_header X-Cache \$edge_cache_status; proxy_pass http://127.0.0.1:$origin/; }
        location /filed/ { proxy_buffers 2 4k; proxy_buffer_size 4k; proxy_busy_buffers_size 4k; proxy_pass http://127.0.0.1:$origin/files/; }
        location /light/ { edge_cache_shadow off; proxy_pass http://127.0.0.1:$origin/; }
        location /swr/ { edge_cache_stale while_revalidate=1h; proxy_pass http://127.0.0.1:$origin/; }
        location = /status { edge_status; }
    }
    server {
        listen 127.0.0.1:$origin;
        location / {
            add_header Cache-Control \$http_x_cc;
            add_header ETag \$http_x_etag;
            default_type text/plain;
            if (\$http_x_code = 304) { return 304; }
            if (\$http_x_code = 404) { return 404 "gone"; }
            if (\$http_x_code = 503) { return 503; }
            if (\$http_x_code = 301) { return 301 /elsewhere; }
            return 200 "body \$http_x_body";
        }
        location /typed {
            if (\$http_x_type = text/plain) { rewrite ^ /plain last; }
            add_header Cache-Control max-age=60;
            default_type text/html;
            return 200 "body";
        }
        location /plain { add_header Cache-Control max-age=60; default_type text/plain; return 200 "body"; }
        location /files/ { add_header Cache-Control max-age=60; etag off; alias @{[$nginx->dir]}/html/; }
    }
_EOC_
sub file { my ($text) = @_; open my $out, '>', $nginx->dir . '/html/file' or die; print {$out} $text; close $out }
file('x' x 300000);
$nginx->write($nginx->conf($http));
$nginx->start($edge);

sub ask { my ($method, $target, %headers) = @_; return $nginx->request($edge, $method, $target, %headers) }
sub get { return ask('GET', @_) }
sub counted { return decode_json(get('/status')->{content})->{cache}{shadow} }

# shadows($name, $code, %by): which of same, different and miss $code moves.
sub shadows {
    my ($name, $code, %by) = @_;
    my $before = counted();
    my $answer = $code->();
    my $after = counted();
    my %moved = map { $_ => $after->{$_} - $before->{$_} } grep { $after->{$_} != $before->{$_} } keys %$after;
    is_deeply(\%moved, \%by, $name) or diag(explain(\%moved));
    return $answer;
}

my @fresh = ('X-CC' => 'max-age=60');
my $answer = shadows('nothing is stored', sub { get('/a', @fresh, 'X-Body' => 1) }, miss => 1);
is($answer->{headers}{'cache-status'}, 'edge; fwd=uri-miss; fwd-status=200; stored; ttl=60; detail=shadow', 'a miss is stored as usual');
$answer = shadows('the same answer', sub { get('/a', @fresh, 'X-Body' => 1) }, same => 1);
is($answer->{headers}{'cache-status'}, 'edge; fwd=bypass; fwd-status=200; detail=shadow', 'would have been a hit');
is($answer->{headers}{'x-cache'}, 'BYPASS', 'counts as a bypass');
ok(!exists $answer->{headers}{age}, 'the origin answered');

$answer = shadows('another body of the same length', sub { get('/a', @fresh, 'X-Body' => 2) }, different => 1);
is($answer->{content}, 'body 2', 'the client has the origin\'s');
shadows('another length', sub { get('/a', @fresh, 'X-Body' => 11) }, different => 1);
shadows('what is stored stays as it was', sub { get('/a', @fresh, 'X-Body' => 1) }, same => 1);
$answer = shadows('another status', sub { get('/a', @fresh, 'X-Code' => 404) }, different => 1);
is($answer->{status}, 404, 'the client has the origin\'s');
shadows('a redirect', sub { get('/a', @fresh, 'X-Code' => 301) }, different => 1);
$answer = shadows('an error of the origin is not compared', sub { get('/a', 'X-Code' => 503) });
is($answer->{status}, 503, 'nor hidden');
shadows('another query', sub { get('/a?b', @fresh) }, miss => 1);

shadows('a type is stored', sub { get('/typed', 'X-Type' => 'text/html') }, miss => 1);
shadows('the same type', sub { get('/typed', 'X-Type' => 'text/html') }, same => 1);
shadows('another type', sub { get('/typed', 'X-Type' => 'text/plain') }, different => 1);

# What the client itself asks of a cache counts as it does without shadow.
shadows('a client that wants it new', sub { get('/a', @fresh, 'X-Body' => 1, 'Cache-Control' => 'no-cache') }, miss => 1);
shadows('not stored', sub { get('/b', 'X-CC' => 'no-store') }, miss => 1);
$answer = shadows('never', sub { get('/b', 'X-CC' => 'no-store') }, miss => 1);
is($answer->{headers}{'cache-status'}, 'edge; fwd=uri-miss; fwd-status=200; detail=no-store', 'the reason why is said');
shadows('methods that are not cached', sub { ask('OPTIONS', '/a') });
shadows('a write', sub { ask('POST', '/a') });
shadows('invalidates', sub { get('/a', @fresh) }, miss => 1);
shadows('only-if-cached is for the origin to see', sub {
    is(get('/onlyif', @fresh, 'Cache-Control' => 'only-if-cached')->{status}, 200, 'and it answers') }, miss => 1);

# Conditions and HEAD.
my @tagged = (@fresh, 'X-ETag' => '"one"');
shadows('tagged', sub { get('/t', @tagged) }, miss => 1);
shadows('304 of both', sub { get('/t', @tagged, 'X-Code' => 304, 'If-None-Match' => '"one"') }, same => 1);
shadows('304 of the origin only', sub { get('/t', @tagged, 'X-Code' => 304, 'If-None-Match' => '"two"') }, different => 1);
shadows('HEAD', sub { ask('HEAD', '/t', @tagged) }, same => 1);
shadows('HEAD with another tag', sub { ask('HEAD', '/t', @fresh, 'X-ETag' => '"two"') }, different => 1);
shadows('HEAD with another length', sub { ask('HEAD', '/t', @tagged, 'X-Body' => '12') }, different => 1);

# Bodies that pass in many pieces.
shadows('a large body', sub { get('/filed/file') }, miss => 1);
is(length shadows('in pieces', sub { get('/filed/file') }, same => 1)->{content}, 300000, 'it is whole');
file('x' x 299999 . 'y');
$answer = shadows('its last byte', sub { get('/filed/file') }, different => 1);
is(substr($answer->{content}, -1), 'y', 'the client has the new one');
shadows('a part is not compared', sub { is(get('/filed/file', Range => 'bytes=0-9')->{status}, 206, 'a part') });

# Stale.
shadows('short-lived', sub { get('/s', 'X-CC' => 'max-age=1') }, miss => 1);
shadows('to be renewed behind', sub { get('/swr/s', 'X-CC' => 'max-age=1') }, miss => 1);
sleep 2.1;
shadows('stale is asked anew', sub { get('/s', 'X-CC' => 'no-store') }, miss => 1);
shadows('and no longer kept', sub { get('/s', @fresh) }, miss => 1);
shadows('but would have been sent while it is renewed', sub { get('/swr/s', 'X-CC' => 'max-age=1') }, same => 1);

# One location out of it.
get('/light/a', @fresh);
$answer = shadows('off', sub { get('/light/a', @fresh, 'X-Body' => 9) });
is($answer->{headers}{'cache-status'} =~ /^edge; hit/ ? 'hit' : $answer->{headers}{'cache-status'}, 'hit', 'a hit again');

my $said = $nginx->log;
like($said, qr/\[warn\] .*edge: shadow: what is stored under " http:\/\/127\.0\.0\.1:$edge\/a" is not what the origin says, the (body|status|header) differs/,
    'a difference is logged with its key') or diag($said);
my $lines = () = $said =~ /edge: shadow:/g;
my $different = counted()->{different};
cmp_ok($lines, '<', $different, "$different differences, $lines lines");
$nginx->stop;
done_testing();

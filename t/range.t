# Range: parts of a stored answer are cut by the edge; of what is not stored, the origin's own part is passed on.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('range');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=8m;
    log_format ranges '\$request_uri \$http_range';
    access_log @{[$nginx->dir]}/logs/ranges.log ranges;
    add_header X-Cache \$edge_cache_status always;
    server {
        listen 127.0.0.1:$edge;
        edge_cache main;
        proxy_http_version 1.1;
        location / { proxy_pass http://127.0.0.1:$app; }
        location /paged/ { error_page 416 /too-far; proxy_pass http://127.0.0.1:$app; }
        location = /too-far { internal; return 200 "too far\\n"; }
    }
EOC
my $body = join '', map { sprintf '%07d ', $_ } 0 .. 24_999;    # 200,000 bytes, no two places alike
my @fields = ('ETag: "v1"', 'Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT', 'Content-Encoding: x-own', 'Content-Type: text/x-own');
origin($app, sub {
    my ($socket, $head) = @_;
    my ($method, $path) = $head =~ /^(\S+) (\S+)/;
    my ($last) = $head =~ /^X-Fields: (.*?)\r$/mi;
    my @more = (@fields, 'Date: ' . http_date(time), 'Cache-Control: max-age=' . ($path =~ /short/ && requests($path) < 2 ? 1 : 60), 'X-Turn: ' . requests($path), $last ? $last : ());
    @more = grep { !/^ETag|^Last-Modified/ } @more if $path =~ /bare/;
    @more = grep { !/^ETag/ } @more if $path =~ /dated/;
    s/^ETag: /ETag: W\// for $path =~ /weak/ ? @more : ();
    my $turn = requests($path);
    if ($path =~ /short/ && $turn > 1) { s/v1/v$turn/ for @more }
    if ($path =~ /hang/ && $turn > 1) { sysread $socket, my $nothing, 1; return 1 }
    if ($path =~ /renewed/ && $head =~ /^If-None-Match: "v1"/mi) {
        syswrite $socket, join("\r\n", 'HTTP/1.1 304 Not Modified', 'ETag: "v1"', 'Cache-Control: max-age=60') . "\r\n\r\n";
    } elsif ($head =~ /^Range: bytes=(\d+)-(\d+)\r$/mi) {
        my $part = substr $body, $1, $2 - $1 + 1;
        (my $answer = plain($part, @more, "Content-Range: bytes $1-$2/" . length $body)) =~ s/200 OK/206 Partial Content/;
        syswrite $socket, $answer;
    } elsif ($path =~ /chunked/) {
        syswrite $socket, join("\r\n", 'HTTP/1.1 200 OK', @more, 'Transfer-Encoding: chunked') . "\r\n\r\n";
        for (my $at = 0; $at < length $body; $at += 7000) {
            my $part = substr $body, $at, 7000;
            send_all($socket, sprintf "%x\r\n%s\r\n", length $part, $part) or return 1;
        }
        syswrite $socket, "0\r\n\r\n";
    } elsif ($method eq 'HEAD') {
        (my $answer = plain($body, @more)) =~ s/\r\n\r\n.*/\r\n\r\n/s;
        syswrite $socket, $answer;
    } else {
        send_all($socket, plain($body, @more)) or return 1;
    }
    return 0;
}, $nginx->dir);
$nginx->start($edge);

# A miss
{
    my $part = ask($edge, 'GET /a', 'Range: bytes=8-15');
    is($part->status, 206, 'Range of something not stored is passed on as it is');
    is($part->body, '0000001 ', 'with the origin\'s part');
    is($part->field('Content-Range'), 'bytes 8-15/200000', 'and its Content-Range');
    my ($asked) = requests('/a');
    like($asked, qr/^Range: bytes=8-15\r$/mi, 'the origin has seen the Range');
    my $whole = ask($edge, 'GET /a');
    is($whole->status, 200, 'the part is not taken for the whole');
    ok($whole->body eq $body, 'which is stored complete');
}
# A hit
sub part { return ask($edge, "GET $_[0]", @_[1 .. $#_]) }
for my $row (
    ['bytes=0-0', 0, 0], ['bytes=8-15', 8, 15], ['bytes=0-199999', 0, 199_999], ['bytes=199999-', 199_999, 199_999],
    ['bytes=-8', 199_992, 199_999], ['bytes=-300000', 0, 199_999], ['bytes=199990-300000', 199_990, 199_999],
    ['bytes=1000-150000', 1000, 150_000], ['BYTES=8-15', 8, 15],
) {
    my ($range, $from, $to) = @$row;
    for my $path ('/a', '/chunked') {
        ask($edge, "GET $path");
        my $answer = part($path, "Range: $range");
        is($answer->status . $answer->cache, '206HIT', "$range of $path stored: a part from memory");
        ok($answer->body eq substr($body, $from, $to - $from + 1), 'these very bytes');
        is($answer->field('Content-Range'), "bytes $from-$to/200000", 'and says which');
        is($answer->field('ETag'), '"v1"', 'with its ETag');
        ok(defined $answer->field('Date') && defined $answer->field('Cache-Control'), 'Date and Cache-Control');
    }
}
for my $range ('bytes=200000-', 'bytes=200000-200005', 'bytes=-0') {
    my $answer = part('/a', "Range: $range");
    # add_header has run before the range filter refused, and again for the page.
    is($answer->status . $answer->cache, '416HIT, HIT', "$range: out of bounds");
    is($answer->field('Content-Range'), 'bytes */200000', 'with the length there is');
    unlike($answer->body, qr/0000/, 'and nothing of the body');
    is($answer->field($_), undef, "the page is nginx's own: no $_") for qw(Content-Encoding ETag Last-Modified Cache-Control);
    is($answer->field('Content-Type'), 'text/html', 'and has its type');
}
{
    ask($edge, 'GET /paged/a');
    is(part('/paged/a', 'Range: bytes=200000-')->body, "too far\n", 'error_page 416 works on a hit');
    is(part('/paged/a')->cache, 'HIT', 'and the stored answer stays');
}
for my $range ('bytes=0-1,4-5', 'bytes=0-1, -2', 'bytes=5-2', 'bytes=', 'bytes=a-b', 'lines=1-2', 'bytes 1-2', 'bytes=--1') {
    my $answer = part('/a', "Range: $range");
    ok($answer->status == 200 && $answer->cache eq 'HIT' && $answer->body eq $body || $range =~ /5-2|=$|a-b|--1/ && $answer->status == 416,
        "$range: several ranges, another unit or nonsense get the whole, or 416");
}
is(part('/a')->field('Accept-Ranges'), 'bytes', 'a whole answer says that parts can be had');
{
    my $head = ask($edge, 'HEAD /a', 'Range: bytes=0-1');
    is($head->status, 200, 'Range means nothing to HEAD (RFC 9110 section 14.2)');
    is($head->field('Content-Length'), 200_000, 'which tells the whole length');
    is(ask($edge, 'HEAD /a')->field('Accept-Ranges'), 'bytes', 'and that parts can be had');
}
{
    ask($edge, 'GET /none', 'X-Fields: Accept-Ranges: none');
    my $answer = part('/none', 'Range: bytes=0-1');
    is($answer->status . $answer->field('Accept-Ranges'), '200none', 'an origin that wants no ranges is obeyed');
}
# If-Range
for my $row (
    ['/a', 'If-Range: "v1"', 206], ['/a', 'If-Range: "v2"', 200], ['/a', 'If-Range: W/"v1"', 200],
    ['/a', 'If-Range: Sat, 01 Jan 2000 00:00:00 GMT', 206], ['/a', 'If-Range: Sun, 02 Jan 2000 00:00:00 GMT', 200],
    ['/a', 'If-Range: nonsense', 200], ['/weak', 'If-Range: W/"v1"', 200], ['/weak', 'If-Range: "v1"', 200],
    ['/dated', 'If-Range: Sat, 01 Jan 2000 00:00:00 GMT', 206], ['/dated', 'If-Range: "v1"', 200],
    ['/bare', 'If-Range: "v1"', 200], ['/bare', 'If-Range: Sat, 01 Jan 2000 00:00:00 GMT', 200],
) {
    my ($path, $line, $status) = @$row;
    ask($edge, "GET $path");
    my $answer = part($path, 'Range: bytes=8-15', $line);
    is($answer->status . $answer->cache, $status . 'HIT', "$line of $path");
    ok($answer->body eq ($status == 206 ? '0000001 ' : $body), $status == 206 ? 'the part' : 'the whole');
}
# Range and conditions: the conditions come first (RFC 9110 section 13.2.2).
{
    my $answer = part('/a', 'Range: bytes=8-15', 'If-None-Match: "v1"');
    is($answer->status, 304, 'If-None-Match comes before Range');
    is($answer->field('Content-Range'), undef, 'a 304 has no Content-Range');
    is(part('/a', 'Range: bytes=8-15', 'If-None-Match: "v0"')->status, 206, 'a condition that does not hold leaves the part');
    is(part('/a', 'Range: bytes=200000-', 'If-None-Match: "v1"')->status, 304, 'and a Range out of bounds is not looked at');
}
# Stale
ask($edge, "GET $_") for qw(/short/renewed /short/replaced /short/beyond /short/bare /short/hang);
sleep 2;
{
    my $answer = part('/short/renewed', 'Range: bytes=8-15');
    is($answer->status . $answer->cache . $answer->body, '206REVALIDATED0000001 ', 'Range of something stale is cut after validation');
    unlike((requests('/short/renewed'))[1], qr/^Range:/mi, 'for which the origin is not shown the Range');
    $answer = part('/short/replaced', 'Range: bytes=8-15');
    is($answer->status . $answer->cache . $answer->body, '206EXPIRED0000001 ', 'or of the new answer');
    is($answer->field('ETag'), '"v2"', 'with the new ETag');
    is(stored($edge, '/short/replaced')->field('ETag'), '"v2"', 'which is stored whole');
    $answer = part('/short/beyond', 'Range: bytes=200000-');
    is($answer->status, 416, 'out of bounds of the new answer too');
    unlike($answer->body, qr/0000/, 'with nothing of the body');
    my $whole = part('/short/beyond');
    ok($whole->status == 200 && $whole->body eq $body, 'and the page for it is not stored');
    sleep 2;
    is(part('/short/renewed', 'Range: bytes=200000-')->status, 416, 'out of bounds of what was renewed');
    ok(part('/short/renewed')->body eq $body, 'which stays whole');
    is(part('/short/bare', 'Range: bytes=8-15')->body, '0000001 ', 'without a validator the Range is passed on');
}
{
    # A client that leaves while the origin is asked without its Range.
    my $socket = dial($edge);
    syswrite $socket, "GET /short/hang HTTP/1.1\r\nHost: a.test\r\nRange: bytes=8-15\r\n\r\n";
    for (1 .. 200) { last if requests('/short/hang') > 1; select undef, undef, undef, 0.05 }
    close $socket;
}
$nginx->stop;
open my $in, '<', $nginx->dir . '/logs/ranges.log' or die;
my $log = do { local $/; <$in> };
like($log, qr{^/short/renewed bytes=8-15$}m, 'the access log has the client\'s Range');
like($log, qr{^/short/hang bytes=8-15$}m, 'also when the client did not wait for the answer');
unlike($nginx->log, qr/\[(crit|alert|emerg)\]|exited on signal/, 'nothing broke');
done_testing;

# A full zone makes room and fails no request; an answer larger than max_object, known or not, passes whole.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::MD5 qw(md5_hex);
use JSON::PP;
use Test::More;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('full');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
$nginx->write($nginx->conf(<<"EOC"));
    # The smallest there is.
    edge_zone main size=2m;
    add_header X-Cache \$edge_cache_status always;
    proxy_buffers 4 8k; proxy_buffer_size 8k; proxy_busy_buffers_size 8k;
    server {
        listen 127.0.0.1:$edge sndbuf=64k;
        edge_cache main;
        proxy_http_version 1.1;
        location / { proxy_pass http://127.0.0.1:$app; }
        location /limited/ { limit_rate 20m; proxy_pass http://127.0.0.1:$app; }
        location = /edge_status { edge_status json; }
    }
EOC
sub content {
    my ($path) = @_;
    my ($size) = $path =~ /(\d+)/;
    my $line = "$path;";
    return substr $line x (1 + $size / length $line), 0, $size;
}
origin($app, sub {
    my ($socket, $head) = @_;
    my ($path) = $head =~ /^\S+ (\S+)/;
    my $content = content($path);
    my @lines = ('Cache-Control: max-age=600', 'ETag: "v1"');
    return !send_all($socket, plain($content, @lines)) unless $path =~ /chunked/;
    send_all($socket, join("\r\n", 'HTTP/1.1 200 OK', @lines, 'Transfer-Encoding: chunked') . "\r\n\r\n") or return 1;
    for (my $at = 0; $at < length $content; $at += 9000) {
        my $part = substr $content, $at, 9000;
        send_all($socket, sprintf "%x\r\n%s\r\n", length $part, $part) or return 1;
    }
    return !send_all($socket, "0\r\n\r\n");
}, $nginx->dir);
$nginx->start($edge);
sub zone { return decode_json(ask($edge, 'GET /edge_status')->body)->{zones}[0] }

is(ask($edge, 'GET /100000/first')->cache . ask($edge, 'GET /100000/first')->cache, 'MISSHIT', 'the smallest zone stores');
# Larger than the zone, than max_object, and just below.
for my $size (10_000_000, 3_000_000, 600_000) {
    for my $kind ('', 'chunked', 'limited') {
        my $path = $kind eq 'limited' ? "/limited/chunked/$size" : "/$size/$kind";
        for (1, 2) {
            my $answer = ask($edge, "GET $path");
            ok($answer->whole && $answer->status == 200 && md5_hex($answer->body) eq md5_hex(content($path)), "$path: too large, and whole");
            is($answer->cache, 'MISS', 'not stored');
        }
    }
    # A client that reads slowly while the fill is given up.
    my $path = "/$size/chunked/slow";
    my $socket = dial($edge, small => 1);
    syswrite $socket, "GET $path HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    select undef, undef, undef, 0.3;
    my $answer = read_answer($socket);
    ok($answer->whole && md5_hex($answer->body) eq md5_hex(content($path)), "$path: a slow client gets it whole as well");
    is(ask($edge, "GET $path", 'If-None-Match: "v1"')->status, 304, 'or a 304');
    my ($part, $next) = ask_all($edge, ["GET /$size/part", 'Range: bytes=8-15'], ["GET /100000/first"]);
    is(md5_hex($next->body), md5_hex(content('/100000/first')), 'and the connection goes on');
}
# More than fits, several times over.
my ($wrong, $unfit) = (0, 0);
for my $round (1 .. 3) {
    for my $n (1 .. 120) {
        my $path = '/' . (1 + ($n * 7919) % 60_000) . "/$n" . ($n % 3 ? '' : 'chunked');
        my $answer = ask($edge, "GET $path");
        ++$wrong unless $answer->status == 200 && $answer->whole && $answer->body eq content($path);
        ++$unfit if ($answer->field('Cache-Status') // '') =~ /no-room/;
    }
}
is($wrong, 0, 'every answer was right while objects made room for each other');
is($unfit, 0, 'and each found room');
my $zone = zone();
cmp_ok($zone->{evictions}, '>', 50, 'objects were evicted');
cmp_ok($zone->{used_bytes}, '<=', $zone->{capacity_bytes}, 'and no more is used than there is');
# Readers that hold on to what is being evicted.
{
    my @held = map {
        my $socket = dial($edge, small => 1);
        syswrite $socket, "GET /400000/held/$_ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
        $socket
    } 1 .. 6;
    my $failed = grep { my $a = ask($edge, "GET /50000/meanwhile/$_"); $a->status != 200 || $a->body ne content("/50000/meanwhile/$_") } 1 .. 60;
    is($failed, 0, 'a zone that slow readers hold fails nobody');
    my $n = 0;
    my $right = grep { ++$n; my $a = read_answer($_); $a->whole && $a->body eq content("/400000/held/$n") } @held;
    is($right, 6, 'and the slow readers get what they began with');
}
is(ask($edge, 'GET /1000/last')->cache . ask($edge, 'GET /1000/last')->cache, 'MISSHIT', 'after all that it still stores');
is(zone()->{dead_bytes}, 0, 'and holds nothing dead');
$nginx->stop;
unlike($nginx->log, qr/\[(error|crit|alert|emerg)\]/, 'the error log has no error');
done_testing;

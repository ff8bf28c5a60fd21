# Requests the cache keeps out of: Upgrade, event streams, If-Match. They are neither answered from it nor stored, and
# a stream reaches the client as it comes.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(time);
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('bypass');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=8m;
    add_header X-Cache \$edge_cache_status always;
    map \$http_upgrade \$connection_upgrade { default upgrade; "" ""; }
    server {
        listen 127.0.0.1:$edge;
        location / {
            edge_cache main;
            proxy_pass http://127.0.0.1:$app;
            proxy_http_version 1.1;
            proxy_set_header Upgrade \$http_upgrade;
            proxy_set_header Connection \$connection_upgrade;
        }
        location /unbuffered/ { edge_cache main; proxy_buffering off; proxy_pass http://127.0.0.1:$app; proxy_http_version 1.1; }
    }
EOC
origin($app, sub {
    my ($socket, $head) = @_;
    my ($path) = $head =~ /^\S+ (\S+)/;
    if ($head =~ /^Upgrade: echo/mi) {
        syswrite $socket, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\nCache-Control: max-age=60\r\n\r\n";
        while (sysread $socket, my $bytes, 4096) { syswrite $socket, uc $bytes }
        return 1;
    }
    if ($path =~ /\?\d+$/) {
        my $type = $head =~ m{^Accept: text/event-stream}mi || $path =~ /event/ ? 'text/event-stream' : 'text/plain';
        my $fresh = $path =~ /fresh/ ? "Cache-Control: max-age=60\r\n" : '';
        syswrite $socket, "HTTP/1.1 200 OK\r\nContent-Type: $type\r\n${fresh}Transfer-Encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n";
        # The second part waits for a file, so that the test need not trust a clock.
        my ($go) = $head =~ /^X-Go: (\S+)/mi;
        for (1 .. 400) { last if -e $go; select undef, undef, undef, 0.05 }
        syswrite $socket, "8\r\ndata: 2\n\r\n0\r\n\r\n";
        return 0;
    }
    syswrite $socket, plain("$path " . requests($path), 'Cache-Control: max-age=60', 'ETag: "1"', 'Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT');
    return 0;
}, $nginx->dir);
$nginx->start($edge);

is(ask($edge, 'GET /a')->cache, 'MISS', 'stored');
for my $line ('Accept: text/event-stream', 'Accept: text/html, Text/Event-Stream;q=0.9', 'Upgrade: websocket', 'If-Match: "1"',
    'If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT')
{
    my ($passed, $after) = ask_all($edge, ['GET /a', $line], ['GET /a']);
    is($passed->cache, 'BYPASS', "$line goes past the cache");
    is($passed->field('Age'), undef, 'to the origin');
    is($after->body, '/a 1', 'and leaves what is stored as it was');
    (my $path = $line) =~ s/\W//g;
    is(ask($edge, "GET /$path", $line)->cache . ask($edge, "GET /$path")->cache, 'BYPASSMISS', 'its own answer is not stored');
}
{
    my $socket = dial($edge);
    syswrite $socket, "GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    my $answer = read_answer($socket);
    is($answer->status, 101, 'a connection is upgraded although there is a stored answer for its URL');
    syswrite $socket, 'ping';
    is(receive($socket), 'PING', 'and both ends can talk');
    close $socket;
    is(ask($edge, 'GET /a')->body, '/a 1', 'nothing of it was stored');
}
my $n = 0;
for my $path (qw(/stream /stream/fresh /event/stream /unbuffered/stream/fresh)) {
    for my $accept ('text/event-stream', '*/*') {
        # Elsewhere nginx's own buffering may hold it, which is not ours to change.
        next unless $accept eq 'text/event-stream' && $path !~ /unbuffered/ || $path =~ /fresh/;
        my $go = $nginx->dir . '/go' . ++$n;
        my $socket = dial($edge);
        syswrite $socket, "GET $path?$n HTTP/1.1\r\nHost: a.test\r\nAccept: $accept\r\nX-Go: $go\r\n\r\n";
        my $got = '';
        while ($got !~ /data: 1/) {
            my $bytes = receive($socket, 10);
            last unless defined $bytes && length $bytes;
            $got .= $bytes;
        }
        like($got, qr/data: 1/, "$path for $accept: the first event arrives while the second is not there yet");
        open my $out, '>', $go or die "$go: $!\n";
        close $out;
        while ($got !~ /\r\n0\r\n\r\n/) {
            my $bytes = receive($socket, 10);
            last unless defined $bytes && length $bytes;
            $got .= $bytes;
        }
        like($got, qr/data: 2\n\r\n0\r\n\r\n$/, 'and then the rest');
    }
}
$nginx->stop;
unlike($nginx->log, qr/\[(error|crit|alert|emerg)\]/, 'the error log has no error');
done_testing;

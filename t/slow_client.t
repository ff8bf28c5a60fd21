# A client that reads slowly, or leaves, does not slow down what is being stored; rate limits hold all the same.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::MD5 qw(md5_hex);
use Test::More;
use Time::HiRes qw(sleep time);
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('slow');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
my $log = $nginx->dir . '/logs/done.log';
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=128m max_object=24m;
    add_header X-Cache \$edge_cache_status always;
    log_format done '\$request_uri \$edge_cache_status \$status';
    access_log $log done;
    # Small, so that a client which does not read holds nginx up at once.
    proxy_buffers 4 8k;
    proxy_buffer_size 8k;
    proxy_busy_buffers_size 8k;
    proxy_max_temp_file_size 0;
    server {
        listen 127.0.0.1:$edge sndbuf=64k;
        edge_cache main;
        proxy_http_version 1.1;
        location / { proxy_pass http://127.0.0.1:$app; }
        location /off/ { proxy_buffering off; proxy_pass http://127.0.0.1:$app; }
        location /never/ { edge_no_cache 1; proxy_pass http://127.0.0.1:$app; }
        location /limited/ { limit_rate 100k; proxy_pass http://127.0.0.1:$app; }
        location /upstream-limited/ { proxy_limit_rate 100k; proxy_pass http://127.0.0.1:$app; }
        location /patient/ { proxy_ignore_client_abort on; proxy_pass http://127.0.0.1:$app; }
        location /timeout/ { proxy_read_timeout 1s; proxy_pass http://127.0.0.1:$app; }
    }
EOC
my $dir = $nginx->dir;
my $body = join '', map { sprintf '%015d ', $_ } 1 .. 20 * 65536;    # 20 MB, no two places alike
my $small = substr $body, 0, 300_000;
origin($app, sub {
    my ($socket, $head) = @_;
    my ($path) = $head =~ /^\S+ (\S+)/;
    my $content = $path =~ /limited/ ? $small : $body;
    my @lines = ('Cache-Control: max-age=' . ($path =~ /short/ && requests($path) < 2 ? 1 : 600), 'ETag: "1"');
    if ($head =~ /^If-None-Match/mi) {
        syswrite $socket, join("\r\n", 'HTTP/1.1 304 Not Modified', @lines) . "\r\n\r\n";
        return 0;
    }
    my $whole;
    if ($path =~ /timeout/) {
        syswrite $socket, substr plain($content, @lines), 0, 100_000;
        sleep 4;
        return 1;
    } elsif ($path =~ /chunked/) {
        $whole = join("\r\n", 'HTTP/1.1 200 OK', @lines, 'Transfer-Encoding: chunked') . "\r\n\r\n";
        for (my $at = 0; $at < length $content; $at += 50_000) {
            my $part = substr $content, $at, 50_000;
            $whole .= sprintf "%x\r\n%s\r\n", length $part, $part;
        }
        $whole .= "0\r\n\r\n";
    } else {
        $whole = plain($content, @lines);
    }
    (my $name = $path) =~ s/\W/_/g;
    if (send_all($socket, $whole)) {
        open my $out, '>', "$dir/sent$name" or return 1;
    }
    return 0;
}, $dir);
$nginx->start($edge);

# sent($path): the origin has got rid of its last byte within some seconds.
sub sent {
    my ($path, $seconds) = @_;
    (my $name = $path) =~ s/\W/_/g;
    my $end = time + $seconds;
    while (time < $end) {
        return 1 if -e "$dir/sent$name";
        sleep 0.05;
    }
    return 0;
}

# A client that reads the header and then nothing.
sub slow {
    my ($path, @lines) = @_;
    my $socket = dial($edge, small => 1);
    syswrite $socket, join("\r\n", "GET $path HTTP/1.1", 'Host: a.test', @lines) . "\r\n\r\n";
    sysread $socket, my $bytes, 1000;
    return ($socket, $bytes);
}

for my $path (qw(/length /chunked /off/length)) {
    my ($socket, $begun) = slow($path);
    ok(sent($path, 30), "$path: the origin's last byte is taken while the client reads nothing");
    my $other = stored($edge, $path);
    is($other->cache, 'HIT', 'and others get it from memory');
    is(md5_hex($other->body), md5_hex($body), 'whole');
    my $rest = $begun;
    while (length(my $bytes = receive($socket) // '')) {
        $rest .= $bytes;
        last if $path eq '/chunked' ? $rest =~ /\r\n0\r\n\r\n\z/ : length $rest > length $body && length($rest) - index($rest, "\r\n\r\n") - 4 >= length $body;
    }
    my ($head, $got) = split /\r\n\r\n/, $rest, 2;
    if ($path eq '/chunked') {
        my $plain = '';
        while ($got =~ /\G([0-9a-f]+)\r\n/gc) { $plain .= substr $got, pos $got, hex $1; pos($got) += 2 + hex $1 }
        $got = $plain;
    }
    is(md5_hex($got), md5_hex($body), 'the slow client gets all of it in the end');
}
{
    my ($socket) = slow('/never/length');
    ok(!sent('/never/length', 2), 'what is not stored is held up by its client, as ever');
    close $socket;
}
# Rate limits
for my $path ('/limited/a', '/upstream-limited/a') {
    my $start = time;
    my $answer = ask($edge, "GET $path");
    my $took = time - $start;
    is(md5_hex($answer->body), md5_hex($small), "$path: whole");
    cmp_ok($took, '>', 1.5, 'a rate limit holds while an answer is stored');
}
{
    my $start = time;
    my $answer = ask($edge, 'GET /limited/a');
    is($answer->cache . md5_hex($answer->body), 'HIT' . md5_hex($small), 'a hit is whole');
    cmp_ok(time - $start, '>', 1.5, 'and limited too');
}
{
    ask($edge, 'GET /limited/short');
    sleep 2;
    my $start = time;
    my $answer = ask($edge, 'GET /limited/short');
    is($answer->cache . md5_hex($answer->body), 'REVALIDATED' . md5_hex($small), 'what was renewed is whole');
    cmp_ok(time - $start, '>', 1.5, 'and limited too');
}
{
    # Two requests on one connection: the limit of the first does not stay.
    my ($one, $two) = ask_all($edge, ['GET /length'], ['GET /limited/a']);
    is($two->cache . md5_hex($two->body), 'HIT' . md5_hex($small), 'limits do not mix on one connection');
}
# Clients that leave
for my $path (qw(/left /left/chunked /patient/left)) {
    my ($socket) = slow($path);
    close $socket;
    my $after = ask($edge, "GET $path");
    is(md5_hex($after->body), md5_hex($body), "$path: a client that leaves in the middle takes nothing from the next");
    my $again = ask($edge, "GET $path");
    is($again->cache . md5_hex($again->body), 'HIT' . md5_hex($body), 'and what is stored is whole');
}
{
    my ($socket) = slow('/length');    # a hit
    close $socket;
    is(md5_hex(ask($edge, 'GET /length')->body), md5_hex($body), 'a client that leaves a hit takes nothing along');
}
{
    my $answer = ask($edge, 'GET /timeout/a');
    ok(!$answer->whole, 'proxy_read_timeout in the middle breaks the transfer');
    is(ask($edge, 'GET /timeout/a')->cache, 'MISS', 'and nothing is stored');
}
$nginx->stop;
unlike($nginx->log, qr/\[(crit|alert|emerg)\]|exited on signal/, 'nothing broke');
done_testing;

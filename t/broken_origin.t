# An answer that breaks off is not stored and reaches the client as broken; so is one whose end cannot be known.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Socket qw(SOL_SOCKET SO_LINGER);
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('broken');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=8m;
    add_header X-Cache \$edge_cache_status always;
    server {
        listen 127.0.0.1:$edge;
        edge_cache main;
        proxy_http_version 1.1;
        proxy_next_upstream off;
        location / { proxy_pass http://127.0.0.1:$app; }
        location /unbuffered/ { proxy_buffering off; proxy_pass http://127.0.0.1:$app; }
        location /limited/ { limit_rate 10m; proxy_pass http://127.0.0.1:$app; }
        location /ten/ { proxy_http_version 1.0; proxy_pass http://127.0.0.1:$app; }
        location /stale/ { edge_cache_stale if_error=1h; proxy_pass http://127.0.0.1:$app; }
    }
EOC
my $body = 'x' x 30_000;
my $fresh = "Cache-Control: max-age=60\r\n";
my %answers = (
    length => "HTTP/1.1 200 OK\r\n${fresh}Content-Length: 30000\r\n\r\n" . substr($body, 0, 20_000),
    nothing => "HTTP/1.1 200 OK\r\n${fresh}Content-Length: 30000\r\n\r\n",
    last => "HTTP/1.1 200 OK\r\n${fresh}Content-Length: 30000\r\n\r\n" . substr($body, 0, 29_999),
    chunk => "HTTP/1.1 200 OK\r\n${fresh}Transfer-Encoding: chunked\r\n\r\n7530\r\n" . substr($body, 0, 20_000),
    between => "HTTP/1.1 200 OK\r\n${fresh}Transfer-Encoding: chunked\r\n\r\n7530\r\n$body\r\n",
    final => "HTTP/1.1 200 OK\r\n${fresh}Transfer-Encoding: chunked\r\n\r\n7530\r\n$body\r\n0\r\n",
    size => "HTTP/1.1 200 OK\r\n${fresh}Transfer-Encoding: chunked\r\n\r\n7530\r\n$body\r\nzz\r\n",
    close => "HTTP/1.1 200 OK\r\n$fresh\r\n$body",
    closed10 => "HTTP/1.0 200 OK\r\n$fresh\r\n$body",
    whole => "HTTP/1.1 200 OK\r\n${fresh}Content-Length: 30000\r\n\r\n$body",
    whole10 => "HTTP/1.0 200 OK\r\n${fresh}Content-Length: 30000\r\n\r\n$body",
    long => "HTTP/1.1 200 OK\r\n${fresh}Content-Length: 20000\r\n\r\n$body",
);
origin($app, sub {
    my ($socket, $head) = @_;
    my ($kind) = $head =~ m{^\S+ \S*/(\w+) };
    if ($kind =~ /^stale/) {
        my $turn = requests((split / /, $head)[1]);
        (my $whole = $answers{whole}) =~ s/max-age=60/max-age=1/;
        send_all($socket, $turn == 1 ? $whole : $answers{length});
        return 1;
    }
    (my $name = $kind) =~ s/^reset//;
    send_all($socket, $answers{$name});
    if ($kind =~ /^reset/) {
        select undef, undef, undef, 0.2;
        setsockopt $socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
        close $socket;
        POSIX::_exit(0);
    }
    return 1;
}, $nginx->dir);
$nginx->start($edge);

for my $kind (qw(length nothing last chunk between size resetlength resetchunk resetbetween)) {
    for my $place ('/', '/unbuffered/', '/limited/') {
        my ($first, $second) = map { ask($edge, "GET $place$kind") } 1, 2;
        ok(!$first->whole, "$place$kind: the client sees that it is broken");
        # Or nothing came before nginx saw what was wrong.
        like($first->cache . $second->cache, qr/^(MISSMISS)?$/, 'and it is not stored');
    }
}
{
    my ($first, $second) = map { ask($edge, 'GET /final') } 1, 2;
    ok($second->cache ne 'HIT' || $second->body eq $body, 'a chunked answer without its very last line is stored whole or not at all');
}
for my $kind (qw(close closed10)) {
    for my $place ('/', '/ten/', '/unbuffered/') {
        my ($first, $second) = map { ask($edge, "GET $place$kind") } 1, 2;
        is($first->body, $body, "$place$kind: an answer that ends with its connection is passed on");
        is($first->cache . $second->cache, 'MISSMISS', 'but not stored: it might have been longer');
        like($first->field('Cache-Status'), qr/detail=incomplete/, 'and Cache-Status says why');
    }
}
for my $place ('/', '/ten/') {
    for my $kind (qw(whole whole10)) {
        my ($first, $second) = map { ask($edge, "GET $place$kind") } 1, 2;
        is($second->cache . $second->body, "HIT$body", "$place$kind: with Content-Length it is stored, over HTTP/1.0 too");
    }
}
{
    my ($first, $second) = map { ask($edge, 'GET /long') } 1, 2;
    is($second->body, substr($body, 0, 20_000), 'bytes after the announced length belong to nothing');
}
{
    ask($edge, "GET $_") for qw(/stale1 /stale/stale2);
    sleep 2;
    for my $path (qw(/stale1 /stale/stale2)) {
        my $answer = ask($edge, "GET $path");
        ok(!$answer->whole, "$path: a new answer that breaks off is broken for its client");
    }
}
$nginx->stop;
unlike($nginx->log, qr/\[(crit|alert|emerg)\]|exited on signal/, 'nothing broke in nginx');
done_testing;

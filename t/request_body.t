# A GET with a body: it goes past the cache, and the body is never taken for the next request on the connection.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('body');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=8m;
    add_header X-Cache \$edge_cache_status;
    server {
        listen 127.0.0.1:$edge;
        keepalive_timeout 60s;
        location / { edge_cache main; proxy_pass http://127.0.0.1:$app; proxy_http_version 1.1; }
    }
EOC
origin($app, sub {
    my ($socket, $head, $body) = @_;
    my ($path) = $head =~ /^\S+ (\S+)/;
    syswrite $socket, plain("$path got [$body]", 'Cache-Control: max-age=60');
    return 0;
}, $nginx->dir);
$nginx->start($edge);

# What a naive server would take for a request of its own.
my $smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
my $length = 'Content-Length: ' . length $smuggled;

{
    my @answers = ask_all($edge, ['GET /a', $length, \$smuggled], ['GET /b'], ['GET /a']);
    is($answers[0]->body, "/a got [$smuggled]", 'on a miss the body reaches the origin');
    is($answers[0]->cache, 'BYPASS', 'and the answer goes past the cache');
    is($answers[1]->body, '/b got []', 'the next answer on the connection is that to the next request');
    is($answers[2]->cache, 'MISS', 'the answer to the body was not stored under the URL');
}
{
    my @answers = ask_all($edge, ['GET /b'], ['GET /b', $length, \$smuggled], ['GET /b']);
    is($answers[0]->cache, 'HIT', 'what is stored');
    is($answers[1]->body, "/b got [$smuggled]", 'does not answer a request with a body');
    is(join(' ', $answers[2]->cache, $answers[2]->body), 'HIT /b got []', 'and stays as it was');
}
{
    my $chunked = sprintf "%x\r\n%s\r\n0\r\n\r\n", length $smuggled, $smuggled;
    my @answers = ask_all($edge, ['GET /b', 'Transfer-Encoding: chunked', \$chunked], ['GET /b']);
    is($answers[0]->cache, 'BYPASS', 'a chunked body counts too');
    is($answers[0]->body, "/b got [$smuggled]", 'and is read to its end');
    is($answers[1]->cache, 'HIT', 'so that the next request is answered');
}
{
    my @answers = ask_all($edge, ['GET /b', 'Content-Length: 0'], ['GET /b'], ['HEAD /b', 'Content-Length: 0'], ['GET /b']);
    is(join(' ', map { $_->cache } @answers), 'HIT HIT HIT HIT', 'an empty body is none');
}
{
    # The body comes after the answer could have been sent.
    my $socket = dial($edge);
    syswrite $socket, "GET /b HTTP/1.1\r\nHost: a.test\r\n$length\r\n\r\n";
    select undef, undef, undef, 0.2;
    syswrite $socket, $smuggled . "GET /late HTTP/1.1\r\nHost: a.test\r\n\r\n";
    is(read_answer($socket)->body, "/b got [$smuggled]", 'a body that comes late belongs to its request');
    is(read_answer($socket)->body, '/late got []', 'and what comes after it is the next one');
}
is(scalar(requests('/smuggled')), 0, 'the origin was never asked what stood in a body');
$nginx->stop;
unlike($nginx->log, qr/\[(error|crit|alert|emerg)\]/, 'the error log has no error');
done_testing;

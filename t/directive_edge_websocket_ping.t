# edge_websocket_ping: a silent client is pinged by the edge, and closed if it does not answer.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;
use TunnelPair;

my $nginx = OwnNginx->new('ping');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
my $pass = "proxy_pass http://127.0.0.1:$app; proxy_http_version 1.1; proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection upgrade;";
$nginx->write($nginx->conf(<<"_EOC_"));
    server {
        listen 127.0.0.1:$edge;
        edge_websocket on;
        edge_websocket_ping 1s;
        location / { $pass }
        location /quick { edge_websocket_ping 1s timeout=1s; $pass }
        location /off { edge_websocket_ping off; $pass }
    }
_EOC_
my $listener = TunnelPair::listen_at($app);
$nginx->start($edge);

my $pair = TunnelPair->open($listener, $edge, '/');
for my $n (1, 2) {
    my ($ping) = $pair->frames(client => 1);
    is($ping->[0], 0x89, "ping $n");
    $pair->write(client => TunnelPair::frame(10, $ping->[1], masked => 1));
}
$pair->send(client => 'still here');
is_deeply([$pair->frames(upstream => 1)], [[0x81, 'still here']], 'the app sees neither pings nor pongs');
$pair->shut;

$pair = TunnelPair->open($listener, $edge, '/quick');
my @frames = $pair->frames(client => 2);
is($frames[0][0], 0x89, 'a ping');
is($frames[1][0], 0x88, 'without an answer a Close follows');
is(unpack('n', $frames[1][1]), 1001, 'with 1001');
$pair->shut;

$pair = TunnelPair->open($listener, $edge, '/off');
ok(!$pair->more('client', 2), 'off: nothing comes');
$pair->shut;
is($nginx->log =~ /\[(?:alert|crit|emerg|error)\].*/ ? $& : '', '', 'the error log');
$nginx->stop;
done_testing;

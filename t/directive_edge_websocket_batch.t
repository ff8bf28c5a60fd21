# edge_websocket_batch: what is held, and what makes it go; and edge_websocket_priority: what does not wait.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;
use TunnelPair;

my $nginx = OwnNginx->new('batch');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
my $pass = "proxy_pass http://127.0.0.1:$app; proxy_http_version 1.1; proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection upgrade;";
$nginx->write($nginx->conf(<<"_EOC_"));
    server {
        listen 127.0.0.1:$edge;
        edge_websocket on;
        edge_websocket_batch delay=10s messages=1000 bytes=1m;
        edge_websocket_priority prefix=! event=done binary larger=1k;
        location / { $pass }
        location /messages { edge_websocket_batch delay=10s messages=3; $pass }
        location /bytes { edge_websocket_batch delay=10s bytes=100; $pass }
        location /delay { edge_websocket_batch delay=700ms; $pass }
        location /off { edge_websocket_batch off; $pass }
        location /none { edge_websocket_priority off; $pass }
    }
_EOC_
my $listener = TunnelPair::listen_at($app);
$nginx->start($edge);

# A connection whose first message has gone, so that what follows is held.
sub held {
    my ($target) = @_;
    my $pair = TunnelPair->open($listener, $edge, $target);
    $pair->send(upstream => 'first');
    is_deeply($pair->texts(client => 1), ['first'], "$target: the first message goes at once");
    return $pair;
}
# Nothing comes for a while: it is held.
sub nothing { my ($pair, $name) = @_; is_deeply($pair->texts(client => 1, 0.4), [], $name) }

my $pair = held('/messages');
$pair->send(upstream => 'two', 'three');
nothing($pair, 'messages=3: two are held');
$pair->send(upstream => 'four');
is_deeply($pair->texts(client => 3), ['two', 'three', 'four'], 'messages=3: three go');
$pair->shut;

$pair = held('/bytes');
$pair->send(upstream => 'x' x 90);
nothing($pair, 'bytes=100: 92 are held');
$pair->send(upstream => 'y' x 10);
is_deeply($pair->texts(client => 2), ['x' x 90, 'y' x 10], 'bytes=100: 104 go');
$pair->shut;

$pair = held('/delay');
$pair->send(upstream => 'two');
is_deeply($pair->texts(client => 1), ['two'], 'delay=700ms: it goes by itself');
$pair->shut;

$pair = held('/off');
for ('two', 'three') {
    $pair->send(upstream => $_);
    is_deeply($pair->texts(client => 1), [$_], 'off: nothing is held');
}
$pair->shut;

for my $urgent ([1, '!now'], [1, '42["done"]'], [1, '42/admin,["done",1]'], [1, '3'], [2, 'binary'], [1, 'l' x 1025], [9, 'ping']) {
    my ($opcode, $payload) = @$urgent;
    $pair = held('/');
    $pair->send(upstream => 'two', '42["undone"]');
    nothing($pair, 'others are held');
    $pair->write(upstream => TunnelPair::frame($opcode, $payload));
    is_deeply([$pair->frames(client => 3)], [[0x81, 'two'], [0x81, '42["undone"]'], [0x80 | $opcode, $payload]],
        'in order with what was before: ' . substr $payload, 0, 20);
    $pair->shut;
}
$pair = held('/none');
$pair->send(upstream => '!now', '42["done"]');
nothing($pair, 'edge_websocket_priority off: rules of the server do not count');
$pair->send(upstream => '3');
is_deeply($pair->texts(client => 3), ['!now', '42["done"]', '3'], 'but engine.io\'s own packets do');
$pair->shut;
is($nginx->log =~ /\[(?:alert|crit|emerg|error)\].*/ ? $& : '', '', 'the error log');
$nginx->stop;
done_testing;

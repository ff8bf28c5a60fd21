# edge_websocket_limit: messages and frames beyond it end the connection with the code that says so.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Compress::Raw::Zlib;
use Test::More;
use OwnNginx;
use TunnelPair;

my $nginx = OwnNginx->new('limit');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
my $pass = "proxy_pass http://127.0.0.1:$app; proxy_http_version 1.1; proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection upgrade;";
$nginx->write($nginx->conf(<<"_EOC_"));
    server {
        listen 127.0.0.1:$edge;
        edge_websocket on;
        edge_websocket_limit message=1k;
        location / { $pass }
        location /ratio { edge_websocket_limit message=10m ratio=20; $pass }
        location /any-ratio { edge_websocket_limit message=10m ratio=0; $pass }
        location /app { edge_websocket_limit upstream_message=1k; $pass }
        location /frames { edge_websocket_limit frames=10 buffer=4k; $pass }
    }
_EOC_
my $listener = TunnelPair::listen_at($app);
$nginx->start($edge);

my $pair = TunnelPair->open($listener, $edge, '/');
$pair->send(client => 'x' x 1024);
is_deeply($pair->texts(upstream => 1), ['x' x 1024], 'message=1k: 1024 bytes pass');
$pair->write(client => TunnelPair::frame(1, 'a' x 600, masked => 1, first => 0x01) . TunnelPair::frame(0, 'b' x 425, masked => 1));
is($pair->close_code('client'), 1009, 'message=1k: 1025 bytes in two frames do not');
my @rest = $pair->frames(upstream => 3);
is($rest[-1][0], 0x88, 'the upstream gets a Close');
is(unpack('n', $rest[-1][1]), 1001, 'with 1001');
$pair->shut;

$pair = TunnelPair->open($listener, $edge, '/app');
$pair->send(upstream => 'x' x 1024);
is_deeply($pair->texts(client => 1), ['x' x 1024], 'upstream_message=1k: 1024 bytes of the app pass');
$pair->send(upstream => 'x' x 1025);
is($pair->close_code('client'), 1011, 'upstream_message=1k: 1025 bytes end it');
is($pair->close_code('upstream'), 1009, 'and the app is told why');
$pair->shut;

# 300,000 equal bytes are a few hundred compressed.
my ($deflate) = Compress::Raw::Zlib::Deflate->new(-WindowBits => -15, -AppendOutput => 1);
my $small = '';
$deflate->deflate('z' x 300_000, $small);
$deflate->flush($small, Z_SYNC_FLUSH);
$small =~ s/\0\0\xff\xff$//;
my $bomb = TunnelPair::frame(1, $small, masked => 1, first => 0xc1);
my $offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
$pair = TunnelPair->open($listener, $edge, '/ratio', client => $offer);
$pair->write(client => $bomb);
is($pair->close_code('client'), 1009, 'ratio=20: what grows more ends it');
$pair->shut;
$pair = TunnelPair->open($listener, $edge, '/any-ratio', client => $offer);
$pair->write(client => $bomb);
my $text = join '', map { $_->[1] } $pair->frames(upstream => 5);
is(length $text, 300_000, 'ratio=0: whatever it grows to');
$pair->shut;

$pair = TunnelPair->open($listener, $edge, '/frames');
$pair->send(client => ('f') x 10);
is_deeply($pair->texts(upstream => 10), [('f') x 10], 'frames=10: ten pass');
$pair->send(client => ('f') x 30);
is($pair->close_code('client'), 1008, 'frames=10: many more at once do not');
$pair->shut;

$pair = TunnelPair->open($listener, $edge, '/frames');
$pair->send(client => 'z' x 5000);
is_deeply($pair->texts(upstream => 1), ['z' x 5000], 'the limits of the server do not count here, and a message may be larger than the buffer');
$pair->send(upstream => 'z' x 5000);
is_deeply($pair->texts(client => 1), ['z' x 5000], 'either way');
$pair->shut;
is($nginx->log =~ /\[(?:alert|crit|emerg|error)\].*/ ? $& : '', '', 'the error log');
$nginx->stop;
done_testing;

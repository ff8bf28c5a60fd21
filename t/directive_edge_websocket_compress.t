# edge_websocket_compress: what is agreed on with the client, and which messages are compressed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Compress::Raw::Zlib;
use Test::More;
use OwnNginx;
use TunnelPair;

my $nginx = OwnNginx->new('compress');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
my $pass = "proxy_pass http://127.0.0.1:$app; proxy_http_version 1.1; proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection upgrade;";
$nginx->write($nginx->conf(<<"_EOC_"));
    map \$http_user_agent \$deflate_works { default 1; ~Broken 0; ~Empty ""; }
    server {
        listen 127.0.0.1:$edge;
        edge_websocket on;
        edge_websocket_batch off;
        location /default { $pass }
        location /on { edge_websocket_compress on; $pass }
        location /window { edge_websocket_compress window=9 level=6 memory=4; $pass }
        location /context { edge_websocket_compress context=off min=200; $pass }
        location /if { edge_websocket_compress if=\$deflate_works level=9; $pass }
        location /off { edge_websocket_compress off; $pass }
        location /upstream { edge_websocket_compress upstream; $pass }
    }
_EOC_
my $listener = TunnelPair::listen_at($app);
$nginx->start($edge);

my $offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
sub agreed { my ($pair) = @_; return $pair->{response} =~ /^Sec-WebSocket-Extensions: (.*)\r$/m ? $1 : '' }
# What a frame with RSV1 decompresses to, with the history of those before.
sub inflated {
    my ($inflate, $payload) = @_;
    my $input = $payload . "\0\0\xff\xff";
    my $status = $inflate->inflate($input, my $text);
    return $status == Z_OK || $status == Z_BUF_ERROR ? $text : "status $status";
}
sub inflater { my ($inflate) = Compress::Raw::Zlib::Inflate->new(-WindowBits => -15); return $inflate }

my $text = '{"type":"progress","job":3,"stage":"tracing outlines","percent":42}';
for my $target ('/default', '/on') {
    my $pair = TunnelPair->open($listener, $edge, $target, client => $offer);
    like(agreed($pair), qr/^permessage-deflate(; client_max_window_bits(=15)?)?$/, "$target: agreed");
    my $inflate = inflater();
    my $size = 0;
    for my $n (1 .. 5) {
        $pair->send(upstream => "$text $n");
        my ($frame) = $pair->frames(client => 1);
        is($frame->[0], 0xc1, "$target: message $n is compressed");
        is(inflated($inflate, $frame->[1]), "$text $n", "$target: and is what it was");
        $size = length $frame->[1];
    }
    cmp_ok($size, '<', 20, "$target: the fifth refers to those before it");
    $pair->send(upstream => 'tiny');
    is_deeply([$pair->frames(client => 1)], [[0x81, 'tiny']], "$target: a tiny one is not compressed");
    my ($deflate) = Compress::Raw::Zlib::Deflate->new(-WindowBits => -15, -AppendOutput => 1);
    my $out = '';
    $deflate->deflate($text, $out);
    $deflate->flush($out, Z_SYNC_FLUSH);
    $out =~ s/\0\0\xff\xff$//;
    $pair->write(client => TunnelPair::frame(1, $out, masked => 1, first => 0xc1));
    is_deeply([$pair->frames(upstream => 1)], [[0x81, $text]], "$target: the client's is decompressed for the upstream");
    $pair->shut;
}

my $pair = TunnelPair->open($listener, $edge, '/window', client => "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_max_window_bits=12\r\n");
like(agreed($pair), qr/server_max_window_bits=9/, 'window=9: of the server');
like(agreed($pair), qr/client_max_window_bits=9/, 'window=9: of the client');
$pair->shut;

$pair = TunnelPair->open($listener, $edge, '/context', client => $offer);
like(agreed($pair), qr/server_no_context_takeover/, 'context=off: agreed');
$pair->send(upstream => 'x' x 199, 'y' x 200);
my @frames = $pair->frames(client => 2);
is_deeply([map { $_->[0] } @frames], [0x81, 0xc1], 'min=200: 199 bytes are not compressed, 200 are');
is(inflated(inflater(), $frames[1][1]), 'y' x 200, 'and are what they were');
$pair->shut;

for my $agent ('Good', 'Broken', 'Empty') {
    $pair = TunnelPair->open($listener, $edge, '/if', client => "User-Agent: $agent\r\n$offer");
    is(agreed($pair), $agent eq 'Good' ? 'permessage-deflate' : '', "if=: $agent");
    $pair->send(upstream => $text);
    is_deeply([map { $_->[0] } $pair->frames(client => 1)], [$agent eq 'Good' ? 0xc1 : 0x81], "if=: what $agent gets");
    $pair->shut;
}

# More than is held at once.
my $long = join ', ', map { $_ * $_ % 9973 } 1 .. 60_000;
$pair = TunnelPair->open($listener, $edge, '/default', client => $offer);
$pair->send(upstream => $long);
my ($wire, $first, $payload) = (0, 0, '');
until ($first && $first & 0x80) {
    my ($frame) = $pair->frames(client => 1);
    is($frame->[0] & 0x4f, $payload eq '' ? 0x41 : 0x00, 'a large message: RSV1 and the opcode come first, then continuations');
    $first = $frame->[0];
    $payload .= $frame->[1];
}
is(inflated(inflater(), $payload), $long, 'a large message: is what it was');
cmp_ok(length $payload, '<', 0.7 * length $long, 'a large message: is compressed');
$pair->shut;

$pair = TunnelPair->open($listener, $edge, '/off', client => $offer);
is(agreed($pair), '', 'off: nothing is agreed on');
unlike($pair->{request}, qr/permessage/, 'off: nor offered to the upstream');
$pair->send(upstream => 'z' x 500);
is_deeply([$pair->frames(client => 1)], [[0x81, 'z' x 500]], 'off: not compressed');
$pair->shut;

$pair = TunnelPair->open($listener, $edge, '/upstream', client => $offer, upstream => "Sec-WebSocket-Extensions: permessage-deflate\r\n");
like($pair->{request}, qr/^Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r$/m, 'upstream: it sees the offer');
is(agreed($pair), 'permessage-deflate', 'upstream: its answer passes');
$pair->write(upstream => TunnelPair::frame(1, 'any bytes', first => 0xc1));
is_deeply([$pair->frames(client => 1)], [[0xc1, 'any bytes']], 'upstream: what it compressed passes as it is');
$pair->shut;
is($nginx->log =~ /\[(?:alert|crit|emerg|error)\].*/ ? $& : '', '', 'the error log');
$nginx->stop;
done_testing;

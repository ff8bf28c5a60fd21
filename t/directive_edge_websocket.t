# edge_websocket: on and off, what either does with the extensions, and the variables of the log.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep);
use OwnNginx;
use TunnelPair;

my $nginx = OwnNginx->new('websocket');
my ($edge, $plain, $app, $pages) = map { $nginx->port($_) } 0 .. 3;
my $pass = "proxy_pass http://127.0.0.1:$app; proxy_http_version 1.1; proxy_set_header Upgrade \$http_upgrade; proxy_set_header Connection upgrade;";
my $log = $nginx->dir . '/logs/ws.log';
$nginx->write($nginx->conf(<<"_EOC_"));
    log_format ws '\$uri [\$edge_ws_messages_in \$edge_ws_messages_out \$edge_ws_bytes_in \$edge_ws_bytes_out \$edge_ws_upstream_bytes_in \$edge_ws_upstream_bytes_out \$edge_ws_batches \$edge_ws_close] [\$http_sec_websocket_extensions]';
    access_log $log ws;
    server {
        listen 127.0.0.1:$edge;
        edge_websocket on;
        location /on { $pass }
        location /off { edge_websocket off; $pass }
        location /try { try_files /nowhere \@off; $pass }
        location \@off { edge_websocket off; $pass }
        location /page { proxy_pass http://127.0.0.1:$pages; }
    }
    server {
        listen 127.0.0.1:$plain;
        location / { $pass }
    }
    server {
        listen 127.0.0.1:$pages;
        location / { add_header X-Got "[\$http_sec_websocket_extensions] [\$http_keep_alive]"; return 200 "a page"; }
    }
_EOC_
my $listener = TunnelPair::listen_at($app);
$nginx->start($edge);

my $offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
sub line {
    my ($uri) = @_;
    for (1 .. 200) {
        open my $in, '<', $log or next;
        for (reverse <$in>) { return $_ if /^\Q$uri\E / }
        sleep 0.05;
    }
    return '';
}

{
    my $pair = TunnelPair->open($listener, $edge, '/on', client => $offer);
    unlike($pair->{request}, qr/sec-websocket-extensions|permessage|keep-alive/i, 'on: the upstream does not see the offer');
    like($pair->{response}, qr/^Sec-WebSocket-Extensions: permessage-deflate\b/m, 'on: the edge takes it');
    $pair->send(client => 'to', 'the', 'upstream');
    is_deeply($pair->texts(upstream => 3), ['to', 'the', 'upstream'], 'on: messages of the client');
    $pair->send(upstream => 'short');
    is_deeply([$pair->frames(client => 1)], [[0x81, 'short']], 'on: a message of the upstream');
    $pair->write(upstream => TunnelPair::frame(8, pack 'n', 1000));
    is($pair->close_code('client'), 1000, 'on: its Close');
    $pair->write(client => TunnelPair::frame(8, pack('n', 1000), masked => 1));
    is($pair->close_code('upstream'), 1000, 'on: the answer to it');
    $pair->shut;
    # 3 frames of 6 + 2, 3 and 8 bytes and a Close of 8; 7 bytes and a Close of 4.
    is(line('/on'), "/on [3 1 39 11 11 39 2 1000] [permessage-deflate; client_max_window_bits]\n", 'on: the log');
}
{
    my $pair = TunnelPair->open($listener, $edge, '/on');
    unlike($pair->{response}, qr/Extensions/, 'on: without an offer there is no extension');
    $pair->shut;
}
for my $case (['off', $edge, '/off'], ['off by try_files', $edge, '/try'], ['the default', $plain, '/plain']) {
    my ($name, $port, $target) = @$case;
    my $pair = TunnelPair->open($listener, $port, $target, client => $offer, upstream => "Sec-WebSocket-Extensions: x-any\r\n", with => 'no frame');
    like($pair->{request}, qr/^Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r$/m, "$name: the upstream sees the offer");
    like($pair->{response}, qr/^Sec-WebSocket-Extensions: x-any\r$/m, "$name: its answer passes");
    $pair->write(client => 'nor this');
    $pair->more(client => 10) while length $pair->{bytes}{client} < 8 && !$pair->{ended}{client};
    $pair->more(upstream => 10) while length $pair->{bytes}{upstream} < 8 && !$pair->{ended}{upstream};
    is("$pair->{bytes}{client}, $pair->{bytes}{upstream}", 'no frame, nor this', "$name: bytes pass as they are");
    $pair->shut;
}
like(line('/off'), qr/^\/off \[- - - - - - - -\]/, 'off: the variables are empty');

my $page = $nginx->request($edge, 'GET', '/page', 'Sec-WebSocket-Extensions' => 'x', 'Keep-Alive' => 'y');
is("$page->{status} $page->{content} $page->{headers}{'x-got'}", '200 a page [x] []', 'what is no WebSocket is not touched');
is($nginx->log =~ /\[(?:alert|crit|emerg)\].*/ ? $& : '', '', 'the error log');
$nginx->stop;
done_testing;

# HEAD: answered from a stored GET; asked of the origin it stores nothing, but its answer may renew or contradict what is
# stored (RFC 9111 section 4.3.5).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('head');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=8m;
    add_header X-Cache \$edge_cache_status always;
    server {
        listen 127.0.0.1:$edge;
        edge_cache main;
        proxy_http_version 1.1;
        location / { proxy_pass http://127.0.0.1:$app; }
    }
EOC
origin($app, sub {
    my ($socket, $head) = @_;
    my ($method, $path) = $head =~ /^(\S+) (\S+)/;
    my $turn = requests($path);
    my $changed = $path =~ /changed/ && $turn > 1;
    my @lines = ('Cache-Control: max-age=' . ($turn == 1 && $path =~ /short/ ? 1 : 60));
    push @lines, $changed ? 'ETag: "v2"' : 'ETag: "v1"' unless $path =~ /bare/;
    if ($head =~ /^If-None-Match: "v1"/mi && !$changed) {
        send_all($socket, join("\r\n", 'HTTP/1.1 304 Not Modified', @lines) . "\r\n\r\n");
        return 0;
    }
    my $answer = plain($changed ? 'another, longer body' : 'the body', @lines, 'Content-Type: text/own');
    $answer =~ s/\r\n\r\n.*/\r\n\r\n/s if $method eq 'HEAD';
    return !send_all($socket, $answer);
}, $nginx->dir);
$nginx->start($edge);

{
    my ($head, $get, $again) = ask_all($edge, ['HEAD /a'], ['GET /a'], ['HEAD /a']);
    is($head->cache . $get->cache, 'MISSMISS', 'a HEAD stores nothing');
    is($again->cache, 'HIT', 'a stored GET answers it');
    is($again->field($_), $get->field($_), "with the same $_") for qw(Content-Length Content-Type ETag Cache-Control Date);
    my @answers = ask_all($edge, ['HEAD /a'], ['GET /a'], ['HEAD /a', 'If-None-Match: "v1"'], ['GET /a']);
    is(join('|', map { $_->status . $_->body } @answers), '200|200the body|304|200the body', 'no HEAD sends a body, and the connection goes on');
}
ask($edge, "GET $_") for qw(/short/renewed /short/changed /short/bare /short/bare/changed);
sleep 2;
{
    my ($head, $get) = ask_all($edge, ['HEAD /short/renewed'], ['GET /short/renewed']);
    is($head->status . $head->cache, '200REVALIDATED', 'a HEAD that finds something stale has it validated');
    like((requests('/short/renewed'))[1], qr/^HEAD .*If-None-Match: "v1"/s, 'by a HEAD with the stored ETag');
    is($get->cache . $get->body, 'HITthe body', 'and renews it for GET');
}
{
    my ($head, $get) = ask_all($edge, ['HEAD /short/changed'], ['GET /short/changed']);
    is($head->field('ETag'), '"v2"', 'a HEAD that shows another ETag');
    is($get->cache . $get->body, 'MISSanother, longer body', 'takes what is stored away');
}
{
    my ($head, $get) = ask_all($edge, ['HEAD /short/bare'], ['GET /short/bare']);
    is($head->status . $get->cache . $get->body, '200HITthe body', 'without a validator the same length renews it');
    ($head, $get) = ask_all($edge, ['HEAD /short/bare/changed'], ['GET /short/bare/changed']);
    is($get->cache . $get->body, 'MISSanother, longer body', 'and another length takes it away');
}
$nginx->stop;
unlike($nginx->log, qr/\[(error|crit|alert|emerg)\]/, 'the error log has no error');
done_testing;

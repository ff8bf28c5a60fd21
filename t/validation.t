# What a 304 does to the stored answer: its fields, its age and its lifetime are renewed (RFC 9111 sections 3.2 and
# 4.3.4); what it says to one client because of his credentials leaves the stored answer to the others.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('validation');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=8m;
    add_header X-Cache \$edge_cache_status always;
    server {
        listen 127.0.0.1:$edge;
        edge_cache main;
        proxy_http_version 1.1;
        location / { proxy_hide_header X-Hidden; proxy_pass http://127.0.0.1:$app; }
        location /valid/ { edge_cache_valid 1s; proxy_pass http://127.0.0.1:$app; }
    }
EOC
# First the 200, then the 304, for each path.
my %first = (
    fields => ['Cache-Control: max-age=1', 'X-Kept: old', 'X-New: old', 'X-Hidden: old', 'Content-Language: de'],
    aged => ['Cache-Control: max-age=1', 'Age: 0'],
    old => ['Cache-Control: max-age=1'],
    forbid => ['Cache-Control: max-age=1'],
    private => ['Cache-Control: max-age=1'],
    cookie => ['Cache-Control: public, max-age=1'],
    auth => ['Cache-Control: public, max-age=1'],
    authcookie => ['Cache-Control: max-age=1'],
    other => ['Cache-Control: max-age=1'],
    length => ['Cache-Control: max-age=1'],
    silent => [],
);
my %second = (
    fields => ['Cache-Control: max-age=60', 'X-New: new', 'X-Hidden: new', 'X-Added: new', 'Connection: X-Hop', 'X-Hop: 1'],
    aged => ['Cache-Control: max-age=60', 'Age: 40'],
    old => ['Cache-Control: max-age=60', 'Date: ' . http_date(time - 20)],
    forbid => ['Cache-Control: no-store'],
    private => ['Cache-Control: private, max-age=60'],
    cookie => ['Cache-Control: max-age=60', 'Set-Cookie: a=b'],
    auth => ['Cache-Control: max-age=60'],
    authcookie => ['Cache-Control: max-age=60'],
    other => ['Cache-Control: max-age=60'],
    length => ['Cache-Control: max-age=60', 'Content-Length: 99', 'Content-Encoding: gzip', 'Content-Type: text/other'],
    silent => [],
);
origin($app, sub {
    my ($socket, $head) = @_;
    my ($method, $path) = $head =~ /^(\S+) (\S+)/;
    my ($kind) = $path =~ /(\w+)$/;
    my $turn = requests($path);
    my $etag = $kind eq 'other' && $turn > 1 ? '"v2"' : '"v1"';
    if ($turn > 1 && $head =~ /^If-None-Match: "v1"/mi) {
        send_all($socket, join("\r\n", 'HTTP/1.1 304 Not Modified', "ETag: $etag", @{ $second{$kind} }) . "\r\n\r\n");
    } else {
        send_all($socket, plain("body $turn", "ETag: $etag", 'Content-Type: text/own', @{ $first{$kind} }));
    }
    return 0;
}, $nginx->dir);
$nginx->start($edge);

my @paths = map { $_ eq 'silent' ? "/valid/$_" : "/$_" } sort keys %first;
ask($edge, "GET $_") for @paths;
sleep 2;
sub twice { return map { ask($edge, "GET $_[0]", @_[1 .. $#_]) } 1, 2 }

{
    my ($renewed, $hit) = twice('/fields');
    is($renewed->cache . $hit->cache, 'REVALIDATEDHIT', 'a 304 makes it fresh again');
    for my $answer ($renewed, $hit) {
        my $which = $answer->cache;
        is($answer->body, 'body 1', "the stored body, $which");
        is($answer->field('X-Kept'), 'old', 'lines the 304 has not stay');
        is($answer->field('X-New'), 'new', 'those it has replace');
        is($answer->field('X-Added'), 'new', 'or add');
        is($answer->field('Cache-Control'), 'max-age=60', 'Cache-Control among them');
        is($answer->field($_), undef, "but not $_") for qw(X-Hidden X-Hop);
        is($answer->field('Content-Length'), 6, 'and the length is that of the body');
    }
}
{
    my ($renewed, $hit) = twice('/aged');
    cmp_ok($hit->field('Age'), '>=', 40, 'the Age of the 304 counts');
    cmp_ok($hit->field('Age'), '<', 58, 'and it alone');
    ($renewed, $hit) = twice('/old');
    cmp_ok($hit->field('Age'), '>=', 20, 'its Date too');
    is($hit->cache, 'HIT', 'against the new lifetime');
}
for my $kind (qw(forbid private)) {
    my ($renewed, $next) = twice("/$kind");
    is($renewed->body, 'body 1', "$kind: this client still gets what the 304 was about");
    isnt($next->cache, 'HIT', 'but it is not kept');
}
{
    my ($renewed, $hit) = twice('/auth', 'Authorization: a');
    is($renewed->cache . $renewed->body, 'REVALIDATEDbody 1', 'validated by a client with Authorization');
    my $other = ask($edge, 'GET /auth');
    is($other->body, 'body 1', 'what is stored stays for the others');
    is(scalar(grep { !/^If-None-Match/mi } requests('/auth')), 1, 'as nobody had to fetch it again');
    # The 304 to it did not say public; it is no leave to keep what one client with credentials is told.
    unlike($other->field('Cache-Control') // '', qr/^max-age=60$/, 'and the fields of that 304 are not for them') if $other->cache eq 'HIT';
}
{
    my ($renewed) = twice('/authcookie', 'Authorization: a', 'Cookie: session=1');
    is($renewed->body, 'body 1', 'with a cookie as well');
    is(ask($edge, 'GET /authcookie')->body, 'body 1', 'what is stored stays');
    is(scalar(grep { !/^If-None-Match/mi } requests('/authcookie')), 1, 'and was not fetched again');
}
{
    my ($renewed) = twice('/valid/silent', 'Cookie: session=1');
    is($renewed->body, 'body 1', 'a cookie where the origin says nothing of freshness');
    is(ask($edge, 'GET /valid/silent')->body, 'body 1', 'leaves what is stored');
    is(scalar(grep { !/^If-None-Match/mi } requests('/valid/silent')), 1, 'so that it need not be fetched again');
}
{
    my $with = ask($edge, 'GET /cookie');
    is($with->body, 'body 1', 'a 304 with Set-Cookie');
    my $next = ask($edge, 'GET /cookie');
    is($next->field('Set-Cookie'), undef, 'its cookie reaches nobody else') if $next->cache eq 'HIT';
    isnt($next->body, '', 'and the answer goes on');
}
{
    my ($first, $next) = twice('/other');
    isnt($next->cache, 'HIT', 'a 304 with another strong ETag renews nothing');
}
{
    my ($renewed, $hit) = twice('/length');
    is($hit->field('Content-Length') . ($hit->field('Content-Encoding') // '-') . $hit->body, '6-body 1', 'a 304 does not change what describes the body');
}
$nginx->stop;
unlike($nginx->log, qr/\[(error|crit|alert|emerg)\]/, 'the error log has no error');
done_testing;

# What comes after the cache works on hits as on everything else, and is not stored: gzip, gunzip, sub_filter, charset,
# expires, add_header.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Uncompress::Gunzip qw(gunzip);
use IO::Compress::Gzip qw(gzip);
use Test::More;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('filters');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=8m;
    add_header X-Cache \$edge_cache_status always;
    server {
        listen 127.0.0.1:$edge;
        edge_cache main;
        proxy_http_version 1.1;
        location / { proxy_pass http://127.0.0.1:$app; }
        location /gzip/ { gzip on; gzip_types *; gzip_vary on; gzip_proxied any; proxy_pass http://127.0.0.1:$app; }
        location /gunzip/ { gunzip on; proxy_pass http://127.0.0.1:$app; }
        location /sub/ { sub_filter_types *; sub_filter word WORD; sub_filter_once off; proxy_pass http://127.0.0.1:$app; }
        location /expires/ { expires 1h; proxy_pass http://127.0.0.1:$app; }
        location /added/ { add_header X-Cache \$edge_cache_status; add_header X-Id \$request_id; add_header Cache-Control "max-age=7"; proxy_pass http://127.0.0.1:$app; }
        location /charset/ { charset utf-8; proxy_pass http://127.0.0.1:$app; }
    }
EOC
my $body = join '', map { "word $_ " } 1 .. 20_000;
gzip(\$body, \my $zipped) or die;
origin($app, sub {
    my ($socket, $head) = @_;
    my ($method, $path) = $head =~ /^(\S+) (\S+)/;
    my @lines = ('Cache-Control: ' . ($path =~ /silent/ ? 'public' : 'max-age=60'), 'ETag: "v1"', 'Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT', 'Content-Type: text/plain', 'X-Turn: ' . requests($path));
    shift @lines if $path =~ /silent/;
    splice @lines, 0, 2 if $path =~ /silent/;
    my $gzip = $path =~ /vary/ && $head =~ /^Accept-Encoding: .*gzip/mi || $path =~ m{^/gunzip/};
    push @lines, 'Vary: Accept-Encoding' if $path =~ /vary/;
    push @lines, 'Content-Encoding: gzip' if $gzip;
    send_all($socket, plain($gzip ? $zipped : $body, @lines)) or return 1;
    return 0;
}, $nginx->dir);
$nginx->start($edge);

my $gzip = 'Accept-Encoding: gzip';
sub twice { return map { ask($edge, "GET $_[0]", @_[1 .. $#_]) } 1, 2 }
sub plain_of {
    my ($answer) = @_;
    return $answer->body if ($answer->field('Content-Encoding') // '') ne 'gzip';
    gunzip(\$answer->body, \my $text) or return 'broken';
    return $text;
}
for my $path ('/gzip/a', '/gzip/vary') {
    my ($miss, $hit) = twice($path, $gzip);
    my $other = ask($edge, "GET $path");
    is($hit->cache, 'HIT', "$path: a hit");
    is($_->field('Content-Encoding'), 'gzip', 'compressed for whom it suits, ' . $_->cache) for $miss, $hit;
    ok(plain_of($_) eq $body, 'and right') for $miss, $hit, $other;
    is($other->field('Content-Encoding'), undef, 'but not for another');
    like($_->field('Vary'), qr/Accept-Encoding/, 'with Vary') for $miss, $hit, $other;
    is($_->field('Content-Length') // '-', $_->field('Content-Encoding') && $path !~ /vary/ ? '-' : length $_->body, 'no wrong length') for $miss, $hit, $other;
}
is(ask($edge, 'GET /gzip/a')->field('X-Turn'), 1, 'what gzip made is not stored as another answer');
is(ask($edge, 'GET /gzip/a', $gzip)->field('ETag'), 'W/"v1"', 'its ETag is weak');
is(ask($edge, 'GET /gzip/a')->field('ETag'), '"v1"', 'the stored one is not');
is(ask($edge, 'GET /gzip/a', $gzip, 'If-None-Match: W/"v1"')->status, 304, 'and matches');
is(ask($edge, 'HEAD /gzip/a', $gzip)->status, 200, 'HEAD');
{
    my $part = ask($edge, 'GET /gzip/a', $gzip, 'Range: bytes=0-99');
    ok($part->status == 200 && plain_of($part) eq $body || $part->status == 206 && !$part->field('Content-Encoding') && $part->body eq substr($body, 0, 100),
        'Range of what is compressed on the way: the whole, or a part of the identity');
}
{
    my ($miss, $hit) = twice('/gzip/vary', $gzip);
    my ($plain) = twice('/gzip/vary');
    is($hit->field('X-Turn') . $plain->field('X-Turn'), '12', 'the origin\'s own variants are stored apart');
}
{
    my ($miss, $hit) = twice('/gunzip/a', 'Accept-Encoding: identity');
    is($hit->cache, 'HIT', 'gunzip');
    ok($_->body eq $body && !$_->field('Content-Encoding'), 'unpacked for whom it suits, ' . $_->cache) for $miss, $hit;
    my $zip = ask($edge, 'GET /gunzip/a', $gzip);
    ok($zip->cache eq 'HIT' && $zip->body eq $zipped, 'and stored as it came');
}
{
    my ($miss, $hit) = twice('/sub/a');
    (my $wanted = $body) =~ s/word/WORD/g;
    is($hit->cache, 'HIT', 'sub_filter');
    ok($_->body eq $wanted, 'replaces on each way, ' . $_->cache) for $miss, $hit;
    my ($third) = twice('/sub/a');
    ok($third->body eq $wanted, 'and the stored bytes stay what they were');
}
{
    my ($miss, $hit) = twice('/expires/a');
    is($_->field('Cache-Control'), 'max-age=3600', 'expires comes after us, ' . $_->cache) for $miss, $hit;
    ok($_->field('Expires'), 'and sets Expires') for $hit;
    is($hit->cache, 'HIT', 'stored by what the origin said');
    my ($first, $second) = twice('/expires/silent');
    is($second->cache, 'MISS', 'expires gives an answer no lifetime here');
    is(scalar(() = $hit->head =~ /^Cache-Control:/mgi), 1, 'one line');
}
{
    my ($miss, $hit) = twice('/added/a');
    isnt($miss->field('X-Id'), $hit->field('X-Id'), 'add_header is made anew for each');
    is(scalar(() = $hit->head =~ /^X-Id:/mgi), 1, 'once');
    like($hit->field('Cache-Control'), qr/max-age=60, max-age=7/, 'next to what is stored');
    is(scalar(() = $hit->head =~ /^Cache-Status:/mgi), 1, 'one Cache-Status');
}
{
    my ($miss, $hit) = twice('/charset/a');
    is($_->field('Content-Type'), 'text/plain; charset=utf-8', 'charset adds itself, ' . $_->cache) for $miss, $hit;
}
$nginx->stop;
unlike($nginx->log, qr/\[(error|crit|alert|emerg)\]/, 'the error log has no error');
done_testing;

# Header lines of the origin: what is kept with a stored answer and what is not, and lines that are wrong in some way.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('fields');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=8m max_object=1m;
    add_header X-Cache \$edge_cache_status always;
    large_client_header_buffers 8 64k;
    server {
        listen 127.0.0.1:$edge;
        edge_cache main;
        proxy_http_version 1.1;
        proxy_buffer_size 256k; proxy_buffers 4 256k; proxy_busy_buffers_size 256k;
        location / { proxy_pass http://127.0.0.1:$app; }
        location /hidden/ { proxy_hide_header X-Secret; proxy_pass_header Server; proxy_pass http://127.0.0.1:$app; }
        location /key/ { edge_cache_key \$uri\$arg_k; add_header X-Cache \$edge_cache_status always; add_header X-Key \$edge_cache_key always; proxy_pass http://127.0.0.1:$app; }
    }
EOC
my $date = http_date(time - 30);
my $chunked = "5\r\nthe b\r\n3\r\nody\r\n0\r\n\r\n";
my $long = join "\r\n", map { "X-Long-$_: " . ('v' x 950) } 1 .. 100;
my %lines = (
    plain => "Date: $date\r\nServer: own/1\r\nX-Own: a  b\r\nX-Two: 1\r\nx-two: 2\r\nX-Empty:\r\nX-Accel-Charset: utf-8\r\nX-Accel-Expires: 5\r\nContent-Length: 8",
    undated => 'Content-Length: 8',
    misdated => "Date: yesterday\r\nContent-Length: 8",
    case => "cAcHe-CoNtRoL: max-age=60\r\nETAG: \"v1\"\r\ncontent-LENGTH: 8\r\nlAsT-mOdIfIeD: Sat, 01 Jan 2000 00:00:00 GMT",
    listed => "Connection: X-Listed, keep-alive, close\r\nX-Listed: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\nContent-Length: 8",
    secret => "X-Secret: s\r\nServer: own/1\r\nContent-Length: 8",
    trailer => "Transfer-Encoding: chunked\r\nTrailer: X-After",
    twolengths => "Content-Length: 8\r\nContent-Length: 4",
    samelengths => "Content-Length: 8\r\nContent-Length: 8",
    badlength => 'Content-Length: 8x',
    minus => 'Content-Length: -1',
    both => "Content-Length: 3\r\nTransfer-Encoding: chunked",
    long => "$long\r\nContent-Length: 8",
    nocolon => "Nonsense\r\nContent-Length: 8",
    space => "X-Space : 1\r\nContent-Length: 8",
    nul => "X-Nul: a\0b\r\nContent-Length: 8",
    cr => "X-Cr: a\rSet-Cookie: b=c\r\nContent-Length: 8",
    folded => "X-Folded: a\r\n b\r\nContent-Length: 8",
    bytes => "X-Bytes: \x01\x7f\xff\xc3\xa4\r\nContent-Length: 8",
    barelf => "X-Lf: a\nX-Next: b\r\nContent-Length: 8",
    interim => 'Content-Length: 8',
    cookie => "Set-Cookie: a=b\r\nCache-Control: public\r\nContent-Length: 8",
    empty => 'Content-Length: 0',
    encoded => "Content-Encoding: gzip\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 8",
    age => "Age: 20\r\nDate: $date\r\nContent-Length: 8",
);
origin($app, sub {
    my ($socket, $head) = @_;
    my ($kind) = $head =~ m{^\S+ \S*/(\w+)[ ?]};
    my $body = $kind =~ /^trailer$/ ? ($chunked =~ s/0\r\n\r\n/0\r\nX-After: 1\r\n\r\n/r) : $kind eq 'both' ? $chunked : $kind eq 'empty' ? '' : 'the body';
    my $control = $kind eq 'case' ? '' : "Cache-Control: max-age=60\r\n";
    my $interim = $kind eq 'interim' ? "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nCache-Control: max-age=60\r\n\r\n" : '';
    send_all($socket, "${interim}HTTP/1.1 200 OK\r\n$control$lines{$kind}\r\n\r\n$body");
    return 1;
}, $nginx->dir);
$nginx->start($edge);

sub twice { return map { ask($edge, "GET $_[0]", @_[1 .. $#_]) } 1, 2 }

{
    my ($miss, $hit) = twice('/plain');
    is($hit->cache, 'HIT', 'stored');
    is($_->field('Date'), $date, 'Date is the origin\'s, ' . $_->cache) for $miss, $hit;
    is($hit->field('X-Own'), 'a  b', 'values are kept byte by byte');
    is($hit->field('X-Two'), '1, 2', 'lines of one name are kept all, in order');
    like($hit->head, qr/^X-Empty: ?\r$/mi, 'an empty one too');
    unlike($hit->head, qr/^X-Accel/mi, 'X-Accel fields are for nginx only');
    like($hit->field('Server'), qr/^nginx/, 'Server is hidden by proxy_pass');
    cmp_ok($hit->field('Age'), '>=', 30, 'Age counts from Date');
}
{
    my ($miss, $hit) = twice('/undated');
    like($hit->field('Date'), qr/^\w\w\w, \d\d \w\w\w \d{4} \d\d:\d\d:\d\d GMT$/, 'an answer without Date gets that of its arrival');
    is($miss->field('Date'), $hit->field('Date'), 'the same for all') if $miss->field('Date') eq $hit->field('Date');
    my ($m, $h) = twice('/misdated');
    is($h->cache eq 'HIT' ? 200 : $h->status, 200, 'a Date that is none breaks nothing');
}
{
    my ($miss, $hit) = twice('/case');
    is($hit->cache, 'HIT', 'names in odd case are understood');
    is(ask($edge, 'GET /case', 'If-None-Match: "v1"')->status, 304, 'ETag among them');
}
{
    my ($miss, $hit) = twice('/listed');
    is($hit->cache, 'HIT', 'stored');
    is($hit->field($_), undef, "$_ belongs to the origin's connection and is not stored") for qw(X-Listed Keep-Alive Proxy-Connection);
}
{
    my ($miss, $hit) = twice('/hidden/secret');
    is($_->field('X-Secret'), undef, 'proxy_hide_header holds, ' . $_->cache) for $miss, $hit;
    is($_->field('Server'), 'own/1', 'proxy_pass_header too, ' . $_->cache) for $miss, $hit;
}
{
    my ($miss, $hit) = twice('/trailer');
    is($hit->cache . $hit->body, 'HITthe body', 'an answer with trailers is stored');
    unlike($hit->head . $hit->body, qr/X-After: 1/i, 'without them');
}
{
    my ($miss, $second) = twice('/interim');
    isnt($second->cache, 'HIT', 'a 1xx is not stored') if $miss->status == 103;
    is($second->field('Link'), undef, 'nor are its fields taken for those of the answer') if $miss->status == 200;
    is($_->cache, 'MISS', 'an answer that comes after a 1xx, or is taken for one') for $miss;
}
# Lengths that contradict each other or are none.
for my $kind (qw(twolengths badlength minus both)) {
    my ($miss, $second) = twice("/$kind");
    isnt($second->cache, 'HIT', "$kind: not stored");
}
{
    my ($miss, $second) = twice('/samelengths');
    ok($second->cache ne 'HIT' || $second->body eq 'the body', 'the same length twice: whole or not at all');
}
{
    my ($miss, $hit) = twice('/long');
    is($hit->cache, 'HIT', 'about 100 KB of header lines are stored');
    is($hit->field("X-Long-$_"), 'v' x 950, 'and come back') for 1, 50, 100;
    is(ask($edge, 'HEAD /long')->field('X-Long-77'), 'v' x 950, 'for HEAD as well');
}
for my $kind (qw(nocolon space nul cr folded bytes barelf)) {
    my ($miss, $second) = twice("/$kind");
    like($second->status, qr/^(200|502)$/, "$kind: an answer or a 502");
    unlike($second->head, qr/[^\r]\n|\r[^\n]|\0/, 'with clean lines');
    is($second->field('Set-Cookie'), undef, 'and none that was not there');
    is($second->body, 'the body', 'and the body') if $second->status == 200;
}
{
    my ($miss, $hit) = twice('/cookie');
    is($hit->cache, 'HIT', 'public with Set-Cookie is stored');
    is($miss->field('Set-Cookie') . '/' . ($hit->field('Set-Cookie') // 'none'), 'a=b/none', 'the cookie reaches only whom it was for');
}
{
    my ($miss, $hit) = twice('/empty');
    is($hit->cache . $hit->field('Content-Length'), 'HIT0', 'an empty body is one');
}
{
    my ($miss, $hit) = twice('/encoded');
    is($hit->field('Content-Encoding') . $hit->field('Content-Type'), 'gziptext/plain; charset=utf-8', 'an encoded body is stored as it came, with its type');
    is($miss->field('Content-Type'), $hit->field('Content-Type'), 'as on the miss');
}
{
    my ($miss, $hit) = twice('/age');
    my @ages = map { scalar(() = $_->head =~ /^Age:/mgi) } $miss, $hit;
    is($ages[1], 1, 'one Age on a hit');
    cmp_ok($hit->field('Age'), '>=', 20, 'which counts that of the origin');
}
# What a client may try to put into a response.
{
    my $answer = ask($edge, 'GET /key/plain?k=a%0d%0aSet-Cookie:%20b=c');
    is($answer->field('Set-Cookie'), undef, 'a key from the query splits no response');
    $answer = ask($edge, "GET /key/x%0d%0aSet-Cookie:%20b=c/plain?k=1");
    is($answer->field('Set-Cookie'), undef, 'nor one from the decoded path');
    like($answer->field('X-Key') // '', qr{^/key/x%0D%0ASet-Cookie: b=c/plain1$}i, 'its control characters are escaped in $edge_cache_key');
    is(ask($edge, 'GET /key/x%0d%0aSet-Cookie:%20b=c/plain?k=1')->cache, 'HIT', 'and it is still the key');
}
is(ask($edge, 'GET /plain', 'Accept-Language: ' . 'a' x 60_000, 'X-B: ' . 'b' x 60_000)->cache, 'HIT', 'long request lines do not matter');
$nginx->stop;
unlike($nginx->log, qr/\[(crit|alert|emerg)\]|exited on signal/, 'nothing broke');
done_testing;

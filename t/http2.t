# HTTP/2 clients, plain and over TLS: hits and misses, HEAD, Range, conditions, bodies under flow control, streams that are
# reset in the middle.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::MD5 qw(md5_hex);
use Test::More;
use OwnNginx;
use Wire;

my $has = qx(curl -V 2>/dev/null);
plan skip_all => 'curl here has no HTTP/2' unless $has =~ /\bHTTP2\b/;

my $nginx = OwnNginx->new('http2');
my ($edge, $tls, $app) = map { $nginx->port($_) } 0, 1, 2;
my $dir = $nginx->dir;
system("openssl req -x509 -newkey rsa:2048 -nodes -keyout $dir/key.pem -out $dir/cert.pem -days 30 -subj /CN=a.test >/dev/null 2>&1") == 0
    or plan skip_all => 'openssl makes no certificate here';
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=64m max_object=8m;
    add_header X-Cache \$edge_cache_status always;
    http2_chunk_size 4k;
    server {
        listen 127.0.0.1:$edge http2;
        listen 127.0.0.1:$tls ssl http2;
        ssl_certificate $dir/cert.pem;
        ssl_certificate_key $dir/key.pem;
        edge_cache main;
        proxy_http_version 1.1;
        location / { proxy_pass http://127.0.0.1:$app; }
        location /gzip/ { gzip on; gzip_types *; proxy_pass http://127.0.0.1:$app; }
    }
EOC
my $large = join '', map { sprintf '%015d ', $_ } 1 .. 262_144;    # 4 MB
origin($app, sub {
    my ($socket, $head, $body) = @_;
    my ($method, $path) = $head =~ /^(\S+) (\S+)/;
    my $content = $path =~ /large/ ? $large : $path =~ /empty/ ? '' : "$path got [$body]";
    my $answer = plain($content, 'Cache-Control: max-age=60', 'ETag: "v1"', 'Content-Type: text/plain');
    $answer =~ s/\r\n\r\n.*/\r\n\r\n/s if $method eq 'HEAD';
    return !send_all($socket, $answer);
}, $dir);
# It warns of the old way to write `listen … http2` from 1.25 on.
$nginx->start($edge);

# curl's answer: its head and body.
sub curl {
    my ($base, $path, @options) = @_;
    my @command = ('curl', '-sS', '-k', '-i', '-m', '60', $base =~ /^https/ ? '--http2' : '--http2-prior-knowledge', @options, "$base$path");
    my $line = join ' ', map { my $part = $_; $part =~ s/'/'\\''/g; "'$part'" } @command;
    my $got = qx($line 2>$dir/curl.err);
    my ($head, $body) = split /\r\n\r\n/, $got, 2;
    $head //= '';
    my ($status) = $head =~ m{^HTTP/2 (\d+)};
    my $answer = Wire::Answer->new("$head\r\n", $body // '', $? == 0);
    $answer->{status} = $status // 0;
    return $answer;
}

for my $base ("http://127.0.0.1:$edge", "https://127.0.0.1:$tls") {
    my ($scheme) = $base =~ /^(\w+)/;
    my ($miss, $hit) = map { curl($base, '/a') } 1, 2;
    is($miss->status . $miss->cache . $hit->status . $hit->cache, '200MISS200HIT', "$scheme: a miss and a hit");
    is($hit->body, '/a got []', 'with its body');
    is($hit->field('content-length'), 9, 'and its length');
    my $head = curl($base, '/a', '-I');
    is($head->status . $head->cache . $head->body, '200HIT', 'HEAD');
    is(curl($base, '/a', '-H', 'If-None-Match: "v1"')->status, 304, 'a condition that holds');
    my $part = curl($base, '/a', '-r', '1-1');
    is($part->status . $part->body, '206a', 'Range');
    is(curl($base, '/a', '-r', '100-')->status, 416, 'out of bounds');
    my @empty = map { curl($base, '/empty') } 1, 2;
    is($empty[1]->cache . $empty[1]->body . $empty[1]->field('content-length'), 'HIT0', 'an empty body');

    my @large = map { curl($base, '/large') } 1, 2;
    is(join(' ', map { $_->cache . md5_hex($_->body) } @large), join(' ', map { $_ . md5_hex($large) } 'MISS', 'HIT'), 'large bodies are whole');
    my $slow = curl($base, '/large', '--limit-rate', '2m');
    is($slow->cache . md5_hex($slow->body), 'HIT' . md5_hex($large), 'under flow control too');
    my $slow_miss = curl($base, '/large/slow', '--limit-rate', '2m');
    is(md5_hex($slow_miss->body), md5_hex($large), 'and while it is stored');
    my $inside = curl($base, '/large', '-r', '1000000-3000000');
    is(md5_hex($inside->body), md5_hex(substr $large, 1_000_000, 2_000_001), 'a large part');
    my @zipped = map { curl($base, '/gzip/large', '--compressed') } 1, 2;
    is(join(' ', map { $_->cache . md5_hex($_->body) } @zipped), join(' ', map { $_ . md5_hex($large) } 'MISS', 'HIT'), 'compressed on the way');

    # Many streams at a time on one connection. (curl 7.88 makes a framing error of it without TLS.)
    if ($scheme eq 'https') {
        my $list = join ' ', map { "-o '$dir/part.$_' '$base/large?$_'" } 1 .. 8;
        system("curl -sS -k -m 60 --parallel --http2 $list 2>$dir/curl.err") for 1, 2;
        my $right = grep { open my $in, '<', "$dir/part.$_" or 0; local $/; md5_hex(<$in>) eq md5_hex($large) } 1 .. 8;
        is($right, 8, 'eight streams side by side') or diag(qx(cat $dir/curl.err));
    }

    # A body without Content-Length: END_STREAM comes later than the header.
    open my $out, '>', "$dir/body" or die;
    print {$out} 'a body';
    close $out;
    my $with = curl($base, '/a', '-X', 'GET', '-H', 'Content-Type: text/plain', '-H', 'Content-Length:', '-T', "$dir/body");
    is($with->cache . $with->body, 'BYPASS/a got [a body]', 'GET with a body goes past the cache');
    my $piped = qx(printf 'a body' | curl -sS -k -m 30 -i --http2@{[$scheme eq 'http' ? '-prior-knowledge' : '']} -X GET -T - $base/a);
    like($piped, qr/x-cache: BYPASS/i, 'also without a Content-Length');
    is(curl($base, '/a')->body, '/a got []', 'and leaves what is stored');

    # Clients that reset their stream.
    for my $path ('/large', '/large/reset?' . $scheme) {
        for (1 .. 4) { system("curl -sS -k -m 60 --http2" . ($scheme eq 'http' ? '-prior-knowledge' : '') . " --max-filesize 1 '$base$path' >/dev/null 2>&1") }
        for (1 .. 4) { system("curl -sS -k -m 0.3 --limit-rate 500k --http2" . ($scheme eq 'http' ? '-prior-knowledge' : '') . " '$base$path' >/dev/null 2>&1") }
        my $after = curl($base, $path);
        is(md5_hex($after->body), md5_hex($large), "$path: streams that are reset in the middle take nothing along");
        my $again = curl($base, $path);
        is($again->cache . md5_hex($again->body), 'HIT' . md5_hex($large), 'and what is stored is whole');
    }
}
isnt(curl("http://127.0.0.1:$edge", '/only')->cache . curl("https://127.0.0.1:$tls", '/only')->cache, 'MISSHIT', 'http and https are stored apart');
$nginx->stop;
unlike($nginx->log, qr/\[(crit|alert|emerg)\]|exited on signal/, 'nothing broke');
done_testing;

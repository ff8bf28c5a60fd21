# proxy_cache or proxy_store in a location with edge_cache is not how to use it; but nothing breaks.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::MD5 qw(md5_hex);
use Test::More;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('beside');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
my $dir = $nginx->dir;
mkdir "$dir/$_" and chmod 0777, "$dir/$_" for qw(cached stored);
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=16m;
    proxy_cache_path $dir/cached keys_zone=theirs:1m;
    add_header X-Cache \$edge_cache_status always;
    add_header X-Theirs \$upstream_cache_status always;
    server {
        listen 127.0.0.1:$edge;
        edge_cache main;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        location / { proxy_cache theirs; proxy_pass http://127.0.0.1:$app; }
        location /theirs-only/ { edge_no_cache 1; edge_cache_bypass 1; proxy_cache theirs; proxy_pass http://127.0.0.1:$app; }
        location /stored/ { root $dir; proxy_store on; proxy_store_access user:rw all:r; proxy_temp_path $dir/temp/proxy; proxy_pass http://127.0.0.1:$app; }
    }
EOC
my $large = join '', map { sprintf '%015d ', $_ } 1 .. 65_536;
origin($app, sub {
    my ($socket, $head) = @_;
    my ($method, $path) = $head =~ /^(\S+) (\S+)/;
    my $turn = requests($path);
    if ($head =~ /^If-None-Match/mi) {
        send_all($socket, "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nCache-Control: max-age=60\r\n\r\n");
        return 0;
    }
    my $answer = plain($path =~ /large/ ? $large : "$path $turn", 'Cache-Control: max-age=' . ($path =~ /short/ ? 1 : 60), 'ETag: "v1"');
    $answer =~ s/\r\n\r\n.*/\r\n\r\n/s if $method eq 'HEAD';
    return !send_all($socket, $answer);
}, $dir);
$nginx->start($edge);

sub seen { return join ' ', map { $_->cache . '/' . ($_->field('X-Theirs') // '-') } @_ }
{
    my @answers = map { ask($edge, 'GET /a') } 1 .. 3;
    is(join('|', map { $_->body } @answers), '/a 1|/a 1|/a 1', 'both at once: right answers');
    like(seen(@answers), qr{^MISS/MISS HIT/- HIT/-$}, 'the edge\'s comes first');
    my @large = map { ask($edge, 'GET /large') } 1, 2;
    is(join(' ', map { md5_hex($_->body) } @large), join(' ', (md5_hex($large)) x 2), 'large ones too');
    is(ask($edge, 'GET /large', 'Range: bytes=16-31')->body, '000000000000002 ', 'and parts');
    my @theirs = map { ask($edge, 'GET /theirs-only/large') } 1, 2;
    is(join(' ', map { md5_hex($_->body) } @theirs), join(' ', (md5_hex($large)) x 2), 'when only proxy_cache stores');
    like(seen(@theirs), qr{/HIT$}, 'it still works');
    is(ask($edge, 'GET /theirs-only/large', 'If-None-Match: "v1"')->status, 304, 'with its conditions');
}
ask($edge, "GET /short/$_") for qw(a large);
sleep 2;
for my $kind (qw(a large)) {
    my $answer = ask($edge, "GET /short/$kind");
    # proxy_cache does not hand our validators on: it may be a new answer.
    ok($answer->status == 200 && ($answer->body eq $large || $answer->body =~ m{^/short/a [12]$}), "a stale $kind is asked for through both");
    is(ask($edge, "HEAD /short/$kind")->status, 200, 'HEAD');
}
for my $socket (map { dial($edge, small => 1) } 1 .. 4) {
    syswrite $socket, "GET /large/left HTTP/1.1\r\nHost: a.test\r\n\r\n";
    receive($socket, 2);
    close $socket;
}
is(md5_hex(ask($edge, 'GET /large/left')->body), md5_hex($large), 'clients that leave break nothing');
{
    my @answers = map { ask($edge, 'GET /stored/large') } 1, 2;
    is(join(' ', map { md5_hex($_->body) } @answers), join(' ', (md5_hex($large)) x 2), 'proxy_store');
    open my $in, '<', "$dir/stored/large";
    is($in ? md5_hex(do { local $/; <$in> }) : 'none', md5_hex($large), 'writes its file');
    is($answers[1]->cache, 'HIT', 'and the edge stores as well');
}
$nginx->stop;
unlike($nginx->log, qr/\[(crit|alert|emerg)\]|exited on signal/, 'nothing broke');
done_testing;

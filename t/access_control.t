# Access control has its say before the cache: nobody gets a hit who may not see it, and no verdict is cached.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use MIME::Base64;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('access');
my ($edge, $app, $judge) = map { $nginx->port($_) } 0, 1, 2;
my $pass = "proxy_pass http://127.0.0.1:$app; proxy_http_version 1.1;";
my $passwords = $nginx->dir . '/passwords';
open my $out, '>', $passwords or die "$passwords: $!\n";
print {$out} "ann:{PLAIN}secret\n";
close $out;
chmod 0644, $passwords;
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=8m;
    add_header X-Cache \$edge_cache_status;
    server {
        listen 127.0.0.1:$edge;
        edge_cache main;
        auth_request /verdict;
        auth_request_set \$user \$upstream_http_x_user;
        location = /verdict { internal; proxy_pass http://127.0.0.1:$judge/verdict; proxy_http_version 1.1; proxy_pass_request_body off; }
        location / { $pass proxy_set_header X-User \$user; }
        location /basic/ { auth_request off; auth_basic a; auth_basic_user_file $passwords; $pass }
        location /denied/ { auth_request off; if (\$http_x_never) { return 400; } deny all; $pass }
        location /open/ { auth_request off; edge_cache_key \$arg_key; $pass }
        location /closed/ { auth_request off; edge_cache_key \$arg_key; deny all; $pass }
        location /any/ { auth_request off; edge_cache_key \$arg_key; satisfy any; allow 127.0.0.1; deny all; auth_basic a; auth_basic_user_file $passwords; $pass }
        location /any-denied/ { auth_request off; edge_cache_key \$arg_key; satisfy any; deny all; auth_basic a; auth_basic_user_file $passwords; $pass }
        location /all/ { auth_request off; edge_cache_key \$arg_key; satisfy all; allow 127.0.0.1; deny all; auth_basic a; auth_basic_user_file $passwords; $pass }
    }
EOC
my $public = 'Cache-Control: public, max-age=60';
origin($judge, sub {
    my ($socket, $head) = @_;
    my $who = $head =~ /^X-Who: (\w+)/mi ? $1 : '';
    # As careless as can be: the verdict itself says it may be cached by all.
    my ($status) = $who eq 'ann' ? '200 OK' : '403 Forbidden';
    syswrite $socket, "HTTP/1.1 $status\r\nCache-Control: public, max-age=60\r\nX-User: $who\r\nContent-Length: 0\r\n\r\n";
    return 0;
}, $nginx->dir . '/');
origin($app, sub {
    my ($socket, $head) = @_;
    my ($path) = $head =~ /^\S+ (\S+)/;
    syswrite $socket, plain("secret of $path", $public);
    return 0;
}, $nginx->dir);
$nginx->start($edge);

{
    my @answers = ask_all($edge, ['GET /a', 'X-Who: ann'], ['GET /a', 'X-Who: ann'], ['GET /a', 'X-Who: eve'], ['GET /a'],
        ['GET /a', 'X-Who: ann'], ['HEAD /a', 'X-Who: eve'], ['GET /a', 'X-Who: eve', 'If-None-Match: *'], ['GET /a', 'X-Who: eve', 'Range: bytes=0-1']);
    is(join(' ', map { $_->status } @answers), '200 200 403 403 200 403 403 403', 'auth_request at server level judges each request, hits too');
    is($answers[1]->cache, 'HIT', 'whom it lets through is answered from the cache');
    is($answers[4]->cache, 'HIT', 'also after somebody was refused');
    unlike($answers[2]->body . $answers[3]->body, qr/secret/, 'whom it refuses gets nothing of what is stored');
}
{
    my ($refused, $accepted) = ask_all($edge, ['GET /new', 'X-Who: eve'], ['GET /new', 'X-Who: ann']);
    is($refused->status, 403, 'a refusal that calls itself cacheable');
    is($accepted->status, 200, 'is not stored: the verdict for one is not that for another');
    is($accepted->cache, 'MISS', 'and the refused request has stored nothing');
    my ($after) = ask_all($edge, ['GET /new', 'X-Who: eve']);
    is($after->status, 403, 'nor does an acceptance leak to whom it was not given');
}
is((ask($edge, 'GET /verdict', 'X-Who: ann'))->status, 404, 'the verdict itself cannot be had');

my $ann = 'Authorization: Basic ' . encode_base64('ann:secret', '');
my $wrong = 'Authorization: Basic ' . encode_base64('ann:wrong', '');
{
    my @answers = ask_all($edge, ['GET /basic/a', $ann], ['GET /basic/a', $ann], ['GET /basic/a'], ['GET /basic/a', $wrong]);
    is(join(' ', map { $_->status . $_->cache } @answers), '200MISS 200HIT 401 401', 'auth_basic comes before a hit');
    unlike($answers[2]->body . $answers[3]->body, qr/secret/, 'and lets nothing through');
}
{
    is(ask($edge, 'GET /denied/a')->status, 403, 'deny comes before a miss');
    is(scalar(requests('/denied/a')), 0, 'so the origin is not asked');
    is(ask($edge, 'GET /open/a?key=k')->cache, 'MISS', 'what one location stores under a key');
    is(ask($edge, 'GET /open/b?key=k')->cache, 'HIT', 'is a hit for that key');
    my $denied = ask($edge, 'GET /closed/a?key=k');
    is($denied->status, 403, 'but deny comes before that hit in another location');
    unlike($denied->body, qr/secret/, 'and shows nothing of it');
}
{
    my ($ip, $both, $none, $some) = (ask($edge, 'GET /any/a?key=k'), ask($edge, 'GET /all/a?key=k', $ann),
        ask($edge, 'GET /any-denied/a?key=k'), ask($edge, 'GET /any-denied/a?key=k', $ann));
    is($ip->status . $ip->cache, '200HIT', 'satisfy any: one of them is enough for a hit');
    is($none->status, 401, 'and none of them is not');
    is($some->status . $some->cache, '200HIT', 'the other one will do too');
    is($both->status . $both->cache, '200HIT', 'satisfy all: both of them');
    is(ask($edge, 'GET /all/a?key=k')->status, 401, 'and one alone is not enough for a hit');
}
$nginx->stop;
unlike($nginx->log, qr/\[(crit|alert|emerg)\]|exited on signal/, 'the error log has nothing but the refusals');
done_testing;

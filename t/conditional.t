# Conditional requests are judged by the edge, as RFC 9110 section 13 and RFC 9111 section 4.3.2 say.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('conditional');
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
# Of every answer; what has no Last-Modified is as old as this.
my $made = time - 10;
my %made = (
    both  => ['ETag: "v1"', 'Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT'],
    weak  => ['ETag: W/"v1"'],
    dated => ['Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT'],
    bare  => [],
    old850 => ['Last-Modified: Saturday, 01-Jan-00 00:00:00 GMT'],
);
origin($app, sub {
    my ($socket, $head) = @_;
    my ($method, $kind) = $head =~ m{^(\S+) /(\w+)};
    my $age = $head =~ m{^\S+ /\w+/short} ? 1 : 86400;
    my @lines = (@{ $made{$kind} }, "Cache-Control: max-age=$age, public", 'Date: ' . http_date($made),
        'Content-Location: /here', 'Vary: X-Nothing', 'Expires: ' . http_date($made + 86400), 'Content-Type: text/x-own', 'X-Own: yes', 'Content-Language: de');
    if ($head =~ /^If-None-Match: .*v1/mi && $head =~ m{/renewed }) {
        syswrite $socket, join("\r\n", 'HTTP/1.1 304 Not Modified', $made{$kind}[0] // '', 'Cache-Control: max-age=86400', 'X-Own: renewed') . "\r\n\r\n";
        return 0;
    }
    if ($head =~ m{/missing }) {
        (my $answer = plain('none', @lines)) =~ s/200 OK/404 Not Found/;
        syswrite $socket, $answer;
        return 0;
    }
    my $answer = plain("the body\n", @lines);
    $answer =~ s/\r\n\r\n.*/\r\n\r\n/s if $method eq 'HEAD';
    syswrite $socket, $answer;
    return 0;
}, $nginx->dir);
$nginx->start($edge);

my $later = 'If-Modified-Since: Sun, 02 Jan 2000 00:00:00 GMT';
my $same = 'If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT';
my $before = 'If-Modified-Since: Fri, 31 Dec 1999 23:59:59 GMT';
my @rows = (
    # stored, the client's lines, status
    ['both', ['If-None-Match: "v1"'], 304], ['both', ['If-None-Match: "v2"'], 200], ['both', ['If-None-Match: W/"v1"'], 304],
    ['weak', ['If-None-Match: W/"v1"'], 304], ['weak', ['If-None-Match: "v1"'], 304], ['weak', ['If-None-Match: W/"v2"'], 200],
    ['both', ['If-None-Match: "a", W/"b" ,"v1"'], 304], ['both', ['If-None-Match: "a,v1", "b"'], 200], ['both', ['If-None-Match: "v1'], 200],
    ['both', ['If-None-Match: *'], 304], ['bare', ['If-None-Match: *'], 304], ['bare', ['If-None-Match: "v1"'], 200],
    ['both', ['If-None-Match: v1'], 200], ['both', ['If-None-Match:'], 200], ['both', ['If-None-Match: ,,"v1",'], 304],
    ['both', [$later], 304], ['both', [$same], 304], ['both', [$before], 200],
    ['both', ['If-Modified-Since: Saturday, 01-Jan-00 00:00:00 GMT'], 304], ['both', ['If-Modified-Since: Sat Jan  1 00:00:00 2000'], 304],
    ['old850', [$same], 304], ['both', ['If-Modified-Since: yesterday'], 200], ['both', ['If-Modified-Since: 0'], 200],
    ['both', ['If-None-Match: "v2"', $later], 200], ['both', ['If-None-Match: "v1"', $before], 304],
    ['dated', ['If-None-Match: "v1"', $later], 200],
    # Without Last-Modified it is Date that counts.
    ['bare', ['If-Modified-Since: ' . http_date($made)], 304], ['bare', ['If-Modified-Since: ' . http_date($made + 3600)], 304],
    ['bare', ['If-Modified-Since: ' . http_date($made - 1)], 200], ['bare', [$later], 200],
    ['weak', ['If-Modified-Since: ' . http_date($made)], 304],
);
my $n = 0;
for my $row (@rows) {
    my ($kind, $lines, $status) = @$row;
    my $text = join ', ', @$lines;
    my $hit = ask($edge, "GET /$kind", @$lines) && ask($edge, "GET /$kind", @$lines);
    is($hit->status . $hit->cache, $status . 'HIT', "$text of $kind, stored");
    is($hit->body, $status == 304 ? '' : "the body\n", $status == 304 ? 'has no body' : 'has the body');
    my $head = ask($edge, "HEAD /$kind", @$lines);
    is($head->status . $head->cache, $status . 'HIT', 'HEAD alike');
    my ($miss, $next) = ask_all($edge, ["GET /$kind/" . ++$n, @$lines], ["GET /$kind/$n"]);
    is($miss->status . $miss->cache, $status . 'MISS', 'not stored: the same verdict on the origin\'s answer');
    is($next->cache . $next->body, "HITthe body\n", 'which is stored whole, and the connection goes on');
    unlike((requests("/$kind/$n"))[0], qr/^If-/mi, 'the origin was not shown the conditions');
}
{
    my $answer = ask($edge, 'GET /both', 'If-None-Match: "v1"');
    my %wanted = (ETag => '"v1"', 'Cache-Control' => 'max-age=86400, public', Date => http_date($made), 'Content-Location' => '/here',
        Vary => 'X-Nothing', Expires => http_date($made + 86400));
    is($answer->field($_), $wanted{$_}, "a 304 has the $_ that the 200 would have (RFC 9110 section 15.4.5)") for sort keys %wanted;
    like($answer->field('Age') // '', qr/^\d+$/, 'and an Age');
    is($answer->field($_), undef, "but no $_") for qw(Content-Length Content-Type Transfer-Encoding Content-Encoding);
}
{
    my ($first, $second, $third) = ask_all($edge, ['GET /both/missing', 'If-None-Match: *'], ['GET /both/missing', 'If-None-Match: "v1"'], ['GET /both/missing', $later]);
    is(join(' ', map { $_->status } $first, $second, $third), '404 404 404', 'conditions make no 304 of a 404');
}
{
    my @answers = ask_all($edge, ['GET /both/auth', 'Authorization: a', 'If-None-Match: "v1"']);
    like((requests('/both/auth'))[0], qr/^If-None-Match: "v1"/mi, 'with Authorization the origin judges for itself');
}
ask($edge, "GET /$_/short/renewed") for qw(both weak);
ask($edge, 'GET /bare/short/replaced');
sleep 2;
{
    my $answer = ask($edge, 'GET /both/short/renewed', 'If-None-Match: "v0"');
    is($answer->status . $answer->cache . $answer->body, "200REVALIDATEDthe body\n", 'stale: the origin validates what is stored, the client gets what it has not');
    like((requests('/both/short/renewed'))[1], qr/^If-None-Match: "v1"\r$/mi, 'the origin was asked with the stored ETag');
    is($answer->field('X-Own'), 'renewed', 'and the 304 renews the fields');
    $answer = ask($edge, 'GET /weak/short/renewed', 'If-None-Match: W/"v1"');
    is($answer->status . $answer->cache, '304REVALIDATED', 'what the client has it is not sent again');
    $answer = ask($edge, 'GET /bare/short/replaced', 'If-None-Match: *');
    is($answer->status, 304, 'a new answer is judged too');
    is(ask($edge, 'GET /bare/short/replaced')->body, "the body\n", 'and stored');
}
$nginx->stop;
unlike($nginx->log, qr/\[(error|crit|alert|emerg)\]/, 'the error log has no error');
done_testing;

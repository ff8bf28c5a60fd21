# Only the client's own request is looked up and stored; the parts that SSI, addition, mirror and auth_request fetch by
# subrequests are not, and what is stored is the page as the origin made it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('sub');
my ($edge, $app) = map { $nginx->port($_) } 0, 1;
my $pass = "proxy_pass http://127.0.0.1:$app; proxy_http_version 1.1;";
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=8m;
    add_header X-Cache \$edge_cache_status;
    server {
        listen 127.0.0.1:$edge;
        edge_cache main;
        location / { $pass }
        location /ssi/ { ssi on; $pass }
        location /added/ { add_before_body /part/before; add_after_body /part/after; addition_types *; $pass }
        location /mirrored/ { mirror /copy; $pass }
        location = /copy { internal; proxy_pass http://127.0.0.1:$app/copy\$request_uri; proxy_http_version 1.1; }
        location = /edge_status { edge_status json; }
    }
EOC
origin($app, sub {
    my ($socket, $head) = @_;
    my ($path) = $head =~ /^\S+ (\S+)/;
    my $turn = requests($path);
    my $body = $path =~ m{^/ssi/} ? "page $turn, <!--# include virtual=\"/part/in\" -->!" : "$path $turn;";
    syswrite $socket, plain($body, 'Content-Type: text/html', 'Cache-Control: public, max-age=60');
    return 0;
}, $nginx->dir);
$nginx->start($edge);

{
    my @answers = ask_all($edge, ['GET /ssi/a'], ['GET /ssi/a']);
    is($answers[0]->body, 'page 1, /part/in 1;!', 'SSI: the page with its part');
    is($answers[1]->cache, 'HIT', 'the page is stored');
    is($answers[1]->body, 'page 1, /part/in 2;!', 'as the origin made it: its part is fetched for each, not stored');
    my ($part) = ask_all($edge, ['GET /part/in']);
    is($part->cache, 'MISS', 'a part asked for by a client has not been stored by the subrequests');
    is($part->body, '/part/in 3;', 'and comes from the origin');
    my ($again) = ask_all($edge, ['GET /ssi/a']);
    is($again->body, 'page 1, /part/in 4;!', 'nor is a stored answer used for a subrequest');
}
{
    my @answers = ask_all($edge, ['GET /added/a'], ['GET /added/a']);
    is($answers[0]->body, '/part/before 1;/added/a 1;/part/after 1;', 'addition: around the answer');
    is($answers[1]->cache, 'HIT', 'which alone is stored');
    is($answers[1]->body, '/part/before 2;/added/a 1;/part/after 2;', 'and a hit has the additions once');
}
{
    my @answers = ask_all($edge, ['GET /mirrored/a'], ['GET /mirrored/a'], ['GET /mirrored/a']);
    is(join(' ', map { $_->cache } @answers), 'MISS HIT HIT', 'mirror: the request itself is cached');
    select undef, undef, undef, 0.3;
    is(scalar(requests('/copy/mirrored/a')), 1, 'a hit runs before mirror: only the miss was mirrored');
    is(ask($edge, 'GET /copy/mirrored/a')->cache, 'MISS', 'the copy stored nothing');
}
$nginx->stop;
unlike($nginx->log, qr/\[(error|crit|alert|emerg)\]/, 'the error log has no error');
done_testing;

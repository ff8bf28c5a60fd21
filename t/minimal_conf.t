# nginx-conf/minimal.conf as shipped: nginx accepts it, and it is an edge in front of an app.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use OwnNginx;

my $file = "$FindBin::Bin/../nginx-conf/minimal.conf";
open my $in, '<', $file or die "$file: $!\n";
my $shipped = do { local $/; <$in> };
cmp_ok(scalar(grep { !/^\s*(#|$)/ } split /\n/, $shipped), '<=', 10, 'it has ten lines');

# Only where nginx itself writes is changed.
my $nginx = OwnNginx->new('minimal');
(my $here = $shipped) =~ s/^http \{\n/"http {\n" . $nginx->own_paths . "\n"/me or die "no http block\n";
$nginx->write($here);
my ($accepted, $output) = $nginx->check;
ok($accepted, 'nginx accepts it') or diag($output);

# And the two ports.
my ($edge, $origin, $status) = map { $nginx->port($_) } 0, 1, 2;
ok($here =~ s/listen 8080;/listen 127.0.0.1:$edge;/, 'it listens on port 8080');
ok($here =~ s/127\.0\.0\.1:3000;/127.0.0.1:$origin;/, 'the app is on port 3000');
$here =~ s/\}\s*\z/    server {
        listen 127.0.0.1:$origin; client_max_body_size 4m; error_page 405 =200 \/upload;
        location \/ { add_header Cache-Control "max-age=60"; return 200 "\$host:\$server_port \$http_host \$server_protocol\\n"; }
        location \/upgrade { return 200 "\$http_connection to \$http_upgrade\n"; }
        location \/silent { return 200 "\$request_id\\n"; }
        location \/upload { proxy_pass http:\/\/127.0.0.1:$status; }
    }
    server { listen 127.0.0.1:$status; client_max_body_size 4m; return 200 "\$content_length bytes\\n"; }
}\n/;
$nginx->write($here);
$nginx->start($edge);

sub get { return $nginx->request($edge, 'GET', @_) }
{
    my ($first, $second) = map { get('/a') } 1, 2;
    is($first->{headers}{'cache-status'}, 'edge; fwd=uri-miss; fwd-status=200; stored; ttl=60', 'the first answer comes from the app');
    like($second->{headers}{'cache-status'}, qr/^edge; hit; ttl=\d+$/, 'the second one does not');
    like($second->{headers}{age}, qr/^[01]$/, 'and has an Age');
    is($second->{content}, $first->{content}, 'both are the same');
    is($first->{content}, "127.0.0.1:$origin 127.0.0.1:$edge HTTP/1.1\n", 'the app sees the host the client asked for, and HTTP/1.1');
}
isnt(get('/silent')->{content}, get('/silent')->{content}, 'what the app does not call fresh is not stored');
{
    my $body = 'x' x 2_000_000;
    my $answer = HTTP::Tiny->new->request('POST', "http://127.0.0.1:$edge/upload", { content => $body });
    is("$answer->{status} $answer->{content}", "200 2000000 bytes\n", 'an upload reaches the app');
}
{
    my $asks = sub { get('/upgrade', Upgrade => $_[0])->{content} };
    is($asks->('WebSocket'), "upgrade to WebSocket\n", 'a WebSocket reaches the app');
    like($asks->('h2c'), qr/^close to /, 'another protocol is not switched to');
    like(get('/upgrade')->{content}, qr/^close to $/, 'nor any without being asked');
}
my $page = decode_json(get('/edge_status')->{content});
is($page->{cache}{requests}{hit}, 1, 'the status page counts the hit');
is($page->{zones}[0]{objects}, 1, 'and the stored answer');
is($page->{zones}[0]{name}, 'main', 'in the zone main');
$nginx->stop;
unlike($nginx->log, qr/\[(error|crit|alert|emerg)\]/, 'the error log has no error');
done_testing;

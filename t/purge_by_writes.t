# What an answer to a write takes away: its URL with all variants, and the groups it names (RFC 9875).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use OwnNginx;

my $nginx = OwnNginx->new('writes');
my ($edge, $origin) = map { $nginx->port($_) } 0, 1;
my $pass = "proxy_pass http://127.0.0.1:$origin; proxy_http_version 1.1; proxy_set_header Host \$http_host;";
$nginx->write($nginx->conf(<<"_EOC_"));
    edge_zone main size=8m;
    edge_cache main;
    add_header X-Cache \$edge_cache_status always;
    server {
        listen 127.0.0.1:$edge;
        location / { $pass }
        location /keyed/ { edge_cache_key "\$uri \$http_x_tenant"; $pass }
        location = /purge { edge_purge; }
        location = /status { edge_status; }
    }
    server {
        listen 127.0.0.1:$origin;
        location / {
            add_header Cache-Control max-age=600;
            add_header Cache-Groups \$http_x_groups;
            add_header Cache-Group-Invalidation \$http_x_invalidate always;
            if (\$http_x_fail) { return 500; }
            return 200 \$request_id;
        }
        location /vary { add_header Cache-Control max-age=600; add_header Vary X-Kind; return 200 \$request_id; }
    }
_EOC_
$nginx->start($edge);

sub get { my ($target, %headers) = @_; return $nginx->request($edge, 'GET', $target, %headers)->{headers}{'x-cache'} }
sub caches { return join ' ', map { get(@$_) } @_ }
sub post { my ($target, %headers) = @_; return $nginx->request($edge, 'POST', $target, %headers)->{status} }
sub zone { return decode_json($nginx->request($edge, 'GET', '/status')->{content})->{zones}[0] }

my @kinds = map { ['/vary', 'X-Kind' => $_] } 1 .. 3;
caches(@kinds);
is(caches(@kinds), 'HIT HIT HIT', 'variants are stored');
post('/vary');
is(caches(@kinds), 'MISS MISS MISS', 'a write takes all of them');

my @tenants = map { ['/keyed/a', 'X-Tenant' => $_] } 1 .. 3;
caches(@tenants);
is(caches(@tenants), 'HIT HIT HIT', 'the same URL under several keys');
post('/keyed/a', 'X-Tenant' => 2);
is(caches(@tenants), 'MISS MISS MISS', 'a write takes all of them');

my $before = zone();
post("/nothing/$_") for 1 .. 200;
my $after = zone();
is($after->{purge_tags}, $before->{purge_tags}, 'writes to what is not stored take no room in the table of tags');
cmp_ok($after->{purge_sequence}, '>=', $before->{purge_sequence} + 200, 'though each is known');
is(caches(@kinds), 'HIT HIT HIT', 'and leave the rest alone');

# groups
my @group = (['/g/1', 'X-Groups' => '"one"'], ['/g/2', 'X-Groups' => '"one", "two";x=1'], ['/g/3', 'X-Groups' => '"three"'], ['/g/4', 'X-Groups' => '"one", two'], ['/g/5']);
caches(@group);
is(caches(@group), 'HIT HIT HIT HIT HIT', 'answers in groups are stored');
is(post('/w', 'X-Invalidate' => '"one"'), 200, 'a write that invalidates a group');
is(caches(@group), 'MISS MISS HIT HIT HIT', 'takes its members; a field with a mistake in it names none');
post('/w', 'X-Invalidate' => '"nothing", "two", "three"');
is(caches(@group), 'HIT MISS MISS HIT HIT', 'several groups');
post('/w', 'X-Invalidate' => '"one", three');
post('/w', 'X-Invalidate' => '"One"');
is(caches(@group), 'HIT HIT HIT HIT HIT', 'a mistake and another case invalidate nothing');
$nginx->request($edge, 'GET', '/w2', 'X-Invalidate' => '"one"');
$nginx->request($edge, 'OPTIONS', '/w2', 'X-Invalidate' => '"one"');
is(caches(@group), 'HIT HIT HIT HIT HIT', 'nor does a safe request');
post('/w', 'X-Invalidate' => '"one"', Host => 'elsewhere.example');
is(caches(@group), 'HIT HIT HIT HIT HIT', 'nor one to another origin');
$nginx->send($edge, 'POST', '/purge', '{"tags":["one"]}');
is(caches(@group), 'HIT HIT HIT HIT HIT', 'and a tag of that name is something else');
is(post('/w', 'X-Invalidate' => '"one"', 'X-Fail' => 1), 500, 'a write that failed');
is(caches(@group), 'MISS MISS HIT HIT HIT', 'may invalidate groups all the same');
my $seen = $nginx->request($edge, 'GET', '/g/1', 'X-Groups' => '"one"');
is("$seen->{headers}{'x-cache'} $seen->{headers}{'cache-groups'}", 'HIT "one"', 'clients see Cache-Groups');
is(decode_json($nginx->request($edge, 'GET', '/status')->{content})->{cache}{purges}{groups}, 6, 'groups are counted');
unlike($nginx->log, qr/\[(alert|crit|emerg)\]/, 'nothing went wrong');
done_testing;

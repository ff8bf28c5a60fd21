# edge_cache_tag: tags that the configuration gives what it stores.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use OwnNginx;

my $nginx = OwnNginx->new('tag');
my ($edge, $origin) = map { $nginx->port($_) } 0, 1;
my $pass = "proxy_pass http://127.0.0.1:$origin; proxy_http_version 1.1;";
my $many = join ' ', map { "t$_" } 1 .. 63;
$nginx->write($nginx->conf(<<"_EOC_"));
    edge_zone main size=8m;
    edge_cache main;
    edge_cache_tag everywhere;
    add_header X-Cache \$edge_cache_status;
    server {
        listen 127.0.0.1:$edge;
        location / { $pass }
        location ~ ^/projects/(?<project>\\d+)/ { edge_cache_tag "project:\$project" projects; edge_cache_tag "by \$arg_user"; $pass }
        location /off/ { edge_cache_tag off; $pass }
        location /upstream/ { edge_cache_tag "\$upstream_http_x_id"; $pass }
        location /most/ { edge_cache_tag $many \$arg_one \$arg_one \$arg_two; $pass }
        location = /purge { edge_purge; }
    }
    server {
        listen 127.0.0.1:$origin;
        location / { add_header Cache-Control max-age=600; add_header X-Id \$arg_id; return 200 \$request_id; }
        location /vary { add_header Cache-Control max-age=600; add_header Vary X-Kind; return 200 \$request_id; }
    }
_EOC_
$nginx->start($edge);

sub get { my ($target, %headers) = @_; return $nginx->request($edge, 'GET', $target, %headers) }
sub caches { return join ' ', map { get($_)->{headers}{'x-cache'} } @_ }
sub purge {
    my $answer = $nginx->send($edge, 'POST', '/purge', encode_json({ tags => [@_] }));
    is($answer->{status}, 200, "purge of @_");
}

my @all = ('/a', '/projects/1/x', '/projects/1/y?user=me', '/projects/2/x', '/off/a');
caches(@all);
is(caches(@all), 'HIT HIT HIT HIT HIT', 'all are stored');
purge('project:1');
is(caches(@all), 'HIT MISS MISS HIT HIT', 'a capture in a tag: one project is gone');
purge('projects');
is(caches(@all), 'HIT MISS MISS MISS HIT', 'several tags: every project is gone');
purge('everywhere');
is(caches(@all), 'MISS HIT HIT HIT HIT', 'a location\'s own tags replace those from outside; off leaves none');
purge('by me');
is(caches(@all), 'HIT HIT MISS HIT HIT', 'a tag may have a space in it');
purge('by', 'me', 'project', 'Projects', '/a');
is(caches(@all), 'HIT HIT HIT HIT HIT', 'a tag is a tag as a whole, case counts, and it is no URL');
purge('project:1', 'project:2', 'unknown');
is(caches(@all), 'HIT MISS MISS MISS HIT', 'several at once');

caches('/upstream/a?id=5', '/upstream/b?id=6');
purge('5');
is(caches('/upstream/a?id=5', '/upstream/b?id=6'), 'MISS HIT', 'the answer\'s own header fields can be used');

get('/vary', 'X-Kind' => $_) for 1, 2;
purge('everywhere');
is(join(' ', map { get('/vary', 'X-Kind' => $_)->{headers}{'x-cache'} } 1, 2, 1), 'MISS MISS HIT', 'variants have them too');

caches('/most/a', '/most/b?one=1', '/most/c?one=t1');
is(caches('/most/a', '/most/b?one=1', '/most/c?one=t1'), 'HIT HIT HIT', '64 tags are possible; empty ones and duplicates do not count');
get('/most/d?one=1&two=2');
my $refused = get('/most/d?one=1&two=2');
is($refused->{headers}{'x-cache'}, 'MISS', '65 are not');
like($refused->{headers}{'cache-status'}, qr/detail=tags$/, 'and it says so');
purge('1');
is(caches('/most/a', '/most/b?one=1'), 'HIT MISS', 'the 64th counts');
done_testing;

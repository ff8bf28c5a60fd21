# A soft purge: stale from then on, to be validated, or sent while it is renewed, or if the app fails.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use HeldOrigin;
use OwnNginx;

my $nginx = OwnNginx->new('soft');
my ($edge, $port) = map { $nginx->port($_) } 0, 1;
my $origin = HeldOrigin->new($port);
$nginx->write($nginx->conf(<<"_EOC_"));
    edge_zone main size=8m;
    edge_cache main;
    edge_cache_tag all;
    server {
        listen 127.0.0.1:$edge;
        proxy_http_version 1.1;
        location / { proxy_pass http://127.0.0.1:$port; }
        location = /purge { edge_purge; }
    }
_EOC_
$nginx->start($edge);

sub begin { return HeldOrigin::client($edge, 'GET', @_) }
sub end { return HeldOrigin::result($_[0]) }
sub soft { like($nginx->send($edge, 'POST', '/purge', $_[0])->{content}, qr/"soft":true/, "$_[0]") }
sub store { my ($target, @lines) = @_; my $c = begin($target); $origin->answer($origin->asked, 'first', 'ETag: "e"', @lines); return end($c) }
sub status_of { my ($target) = @_; my $c = begin($target); my $a = end($c); return "$a->{content} $a->{headers}{'cache-status'}" }

for ('{"tags":["all"],"soft":true}', '{"urls":["/a"],"soft":true}', '{"prefix":"/a","soft":true}', '{"all":true,"soft":true}') {
    store('/a', 'Cache-Control: max-age=600') if $_ =~ /tags/;
    like(status_of('/a'), qr/^first edge; hit; ttl=[1-9]/, 'fresh before');
    soft($_);
    my $client = begin('/a');
    my $asked = $origin->asked;
    like($asked->{text}, qr/^If-None-Match: "e"/m, 'validated after it');
    $origin->answer($asked, '', '304 Not Modified', 'ETag: "e"', 'Cache-Control: max-age=600');
    like(end($client)->{headers}{'cache-status'}, qr/fwd=stale; fwd-status=304; stored/, 'and renewed by a 304');
}
soft('{"tags":["other"],"soft":true}');
like(status_of('/a'), qr/edge; hit/, 'others do not matter');

store('/swr', 'Cache-Control: max-age=600, stale-while-revalidate=600');
soft('{"tags":["all"],"soft":true}');
my $answer = end(begin('/swr'));
like("$answer->{content} $answer->{headers}{'cache-status'}", qr/^first edge; hit; ttl=(0|-\d+)$/, 'stale-while-revalidate: sent at once');
my $asked = $origin->asked;
like($asked->{text}, qr/^If-None-Match: "e"/m, 'and renewed behind the client\'s back');
$origin->answer($asked, 'second', 'Cache-Control: max-age=600');
select undef, undef, undef, 0.05 until status_of('/swr') =~ /^second edge; hit; ttl=[1-9]/;
pass('the new one is fresh');

store('/short', 'Cache-Control: max-age=600, stale-while-revalidate=1');
soft('{"urls":["/short"],"soft":true}');
select undef, undef, undef, 2.5;
my $client = begin('/short');
$origin->answer($origin->asked, 'second', 'Cache-Control: max-age=600');
is(end($client)->{content}, 'second', 'the window begins with the purge');

store('/error', 'Cache-Control: max-age=600, stale-if-error=600');
soft('{"urls":["/error"],"soft":true}');
$client = begin('/error');
$origin->answer($origin->asked, 'broken', '503 Service Unavailable');
is(end($client)->{content}, 'first', 'stale-if-error: sent when the app fails');
$nginx->send($edge, 'POST', '/purge', '{"urls":["/error"]}');
$client = begin('/error');
$asked = $origin->asked;
unlike($asked->{text}, qr/^If-None-Match/m, 'a hard purge after it leaves nothing to validate');
$origin->answer($asked, 'broken', '503 Service Unavailable');
is(end($client)->{content}, 'broken', 'nor to send');

store('/strict', 'Cache-Control: max-age=600, must-revalidate, stale-while-revalidate=600');
soft('{"urls":["/strict"],"soft":true}');
$client = begin('/strict');
$origin->answer($origin->asked, 'second', 'Cache-Control: max-age=600');
is(end($client)->{content}, 'second', 'must-revalidate holds');
unlike($nginx->log, qr/\[(alert|crit|error|emerg)\]/, 'nothing went wrong');
done_testing;

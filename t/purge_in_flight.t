# An answer that was under way when the purge came is dead on arrival; so is what a write overtook.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use HeldOrigin;
use OwnNginx;

my $nginx = OwnNginx->new('in_flight');
my ($edge, $port) = map { $nginx->port($_) } 0, 1;
my $origin = HeldOrigin->new($port);
$nginx->write($nginx->conf(<<"_EOC_"));
    edge_zone main size=8m;
    edge_cache main;
    edge_cache_tag_header Cache-Tag;
    server {
        listen 127.0.0.1:$edge;
        proxy_http_version 1.1;
        location / { edge_purge; proxy_pass http://127.0.0.1:$port; }
        location /stale/ { edge_cache_stale if_error=1h; proxy_pass http://127.0.0.1:$port; }
        location = /purge { edge_purge; }
        location = /status { edge_status; }
    }
_EOC_
$nginx->start($edge);

my @fresh = ('Cache-Control: max-age=600', 'Cache-Tag: t1 t2', 'ETag: "e"');
sub begin { return HeldOrigin::client($edge, 'GET', @_) }
sub end { return HeldOrigin::result($_[0]) }
sub purge { is($nginx->request($edge, 'PURGE', $_[0])->{status}, 200, "PURGE $_[0] is answered") }
sub post { is($nginx->send($edge, 'POST', '/purge', $_[0])->{status}, 200, "$_[0] is answered") }
# body($target, $body): what a client gets, the origin answering $body if asked, and whether it was.
sub body {
    my ($target, $body, %headers) = @_;
    my $client = begin($target, %headers);
    my $asked = $origin->idle ? undef : $origin->asked;
    $origin->answer($asked, $body, @fresh) if $asked;
    return end($client)->{content} . ($asked ? ' asked' . ($asked->{text} =~ /^If-None-Match/mi ? ' to validate' : '') : '');
}
sub write_to {
    my ($target, @lines) = @_;
    my $client = HeldOrigin::client($edge, 'POST', $target);
    $origin->answer($origin->asked, 'written', @lines);
    is(end($client)->{content}, 'written', "a write to $target is answered");
}
sub arrivals { return decode_json($nginx->request($edge, 'GET', '/status')->{content})->{cache}{purged}{on_arrival} }

is(body('/stored', 'first'), 'first asked', 'an answer that nothing overtakes');
is(body('/stored', 'second'), 'first', 'is stored');
is(arrivals(), 0, 'and not dead on arrival');

my $n = 0;
for (
    ['PURGE of the URL', sub { purge($_[0]) }],
    ['a purge by a tag that only the answer names', sub { post('{"tags":["t2"]}') }],
    ['a purge by prefix', sub { post('{"prefix":"/in"}') }],
    ['a purge of all', sub { post('{"all":true}') }],
    ['a write', sub { write_to($_[0]) }],
    ['a write whose answer names it', sub { write_to('/elsewhere', '201 Created', "Location: $_[0]") }],
) {
    my ($name, $overtake) = @$_;
    my $target = '/in/' . ++$n;
    my $client = begin($target);
    my $asked = $origin->asked;
    $overtake->($target);
    $origin->answer($asked, 'old', @fresh);
    is(end($client)->{content}, 'old', "$name: who asked before gets what he asked for");
    is(body($target, 'new'), 'new asked', "$name: nobody after it does");
    is(body($target, 'newer'), 'new', "$name: the next one is stored");
    is(arrivals(), $n, "$name: it is counted");
}

for (['the body', ''], ['the body of a variant', "Vary: X-Kind\r\n"]) {
    my ($name, $vary) = @$_;
    my $target = '/in/' . ++$n;
    my $client = begin($target);
    my $asked = $origin->asked;
    syswrite $asked->{socket}, "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n${vary}Content-Length: 6\r\n\r\nold";
    my $started = sub { decode_json($nginx->request($edge, 'GET', '/status')->{content})->{cache}{fills}{active} };
    select undef, undef, undef, 0.05 until $started->();
    purge($target);
    syswrite $asked->{socket}, 'old';
    close $asked->{socket};
    is(end($client)->{content}, 'oldold', "in the middle of $name");
    is(body($target, 'new'), 'new asked', "in the middle of $name: not kept");
}

# Who asks after the purge does not share the answer of one who asked before it.
for (['a purge', sub { purge($_[0]) }], ['a write', sub { write_to($_[0]) }]) {
    my ($name, $overtake) = @$_;
    my $target = '/in/' . ++$n;
    my $first = begin($target);
    my $asked = $origin->asked;
    $overtake->($target);
    my $second = begin($target);
    ok($origin->idle, "$name: who comes after it waits for the answer to see");
    $origin->answer($asked, 'old', @fresh);
    my $again = $origin->asked;
    $origin->answer($again, 'new', @fresh);
    is(end($first)->{content} . ' ' . end($second)->{content}, 'old new', "$name: and asks for another");
    is(body($target, 'newer'), 'new', "$name: which is stored");

    $target = '/in/' . ++$n;
    $first = begin($target);
    $asked = $origin->asked;
    syswrite $asked->{socket}, "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 6\r\n\r\nold";
    my $active = sub { decode_json($nginx->request($edge, 'GET', '/status')->{content})->{cache}{fills}{active} };
    select undef, undef, undef, 0.05 until $active->();
    $overtake->($target);
    is(body($target, 'new'), 'new asked', "$name in the middle of the body: who comes after it asks");
    syswrite $asked->{socket}, 'old';
    close $asked->{socket};
    is(end($first)->{content}, 'oldold', "$name in the middle of the body: who came before has all of it");
    is(body($target, 'newer'), 'new', "$name in the middle of the body: the new one stays");
}

sub renew {
    my ($target, $overtake) = @_;
    my $client = begin($target, 'Cache-Control' => 'no-cache');
    my $asked = $origin->asked;
    like($asked->{text}, qr/^If-None-Match: "e"/m, 'the stored answer is validated');
    $overtake->();
    $origin->answer($asked, '', '304 Not Modified', 'ETag: "e"');
    return end($client)->{content};
}
body('/renewed', 'first');
is(renew('/renewed', sub { purge('/renewed') }), 'first', 'a 304 that a purge overtook');
is(body('/renewed', 'second'), 'second asked', 'does not bring the old answer back');
is(renew('/renewed', sub { purge('/other') }), 'second', 'another purge does not matter to it');
is(body('/renewed', 'third'), 'second', 'what it renewed stays');
purge('/renewed');
is(body('/renewed', 'fourth'), 'fourth asked', 'until it is purged');
is(renew('/renewed', sub { post('{"urls":["/renewed"],"soft":true}') }), 'fourth', 'overtaken by a soft purge');
is(body('/renewed', 'fifth'), 'fifth asked to validate', 'it is validated again');

body('/stale/a', 'first');
my $client = begin('/stale/a', 'Cache-Control' => 'no-cache');
my $asked = $origin->asked;
$origin->answer($asked, 'broken', '503 Service Unavailable');
is(end($client)->{status}, 503, 'no-cache wants no stale answer');
$client = begin('/stale/a', 'Cache-Control' => 'max-age=0');
$asked = $origin->asked;
$origin->answer($asked, 'broken', '503 Service Unavailable');
is(end($client)->{content}, 'first', 'max-age=0 takes one if the app fails');
$client = begin('/stale/a', 'Cache-Control' => 'max-age=0');
$asked = $origin->asked;
post('{"prefix":"/stale/"}');
$origin->answer($asked, 'broken', '503 Service Unavailable');
is(end($client)->{status}, 503, 'but not one that was purged meanwhile');

unlike($nginx->log, qr/\[(alert|crit|error|emerg)\]/, 'nothing went wrong');
done_testing;

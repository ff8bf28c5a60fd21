# Pictures in the cache: under what key, for how long, for whom, and what purges them.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Test::More;
use Time::HiRes qw(sleep time);
use HeldOrigin;
use OwnNginx;
use Picture;

my $nginx = OwnNginx->new('imagecache');
my ($edge, $origin) = map { $nginx->port($_) } 0, 1;
my $photos = "$FindBin::Bin/../docker/demo/public/photos";
my $files = $nginx->dir . '/html';
sub slurp { my ($file) = @_; open my $in, '<:raw', $file or die "$file: $!\n"; local $/; return scalar <$in> }
sub put { my ($name, $bytes) = @_; open my $out, '>:raw', "$files/new" or die; print {$out} $bytes; close $out; chmod 0644, "$files/new"; rename "$files/new", "$files/$name" }
put($_, slurp("$photos/$_")) for qw(dogs.jpg stream.jpg nuthatch.jpg);
my $secret = 'a secret of more than 32 bytes, known to the app';
open my $key, '>', $nginx->dir . '/key' or die;
print {$key} "$secret\n";
close $key;

my $pass = "proxy_pass http://127.0.0.1:$origin; proxy_http_version 1.1;";
$nginx->write($nginx->conf(<<"_EOC_"));
    types { image/jpeg jpg; }
    log_format seen '\$request_uri \$http_if_none_match';
    edge_zone main size=32m;
    server {
        listen 127.0.0.1:$edge;
        edge_image on;
        edge_image_limit time=60s;
        edge_cache main;
        edge_cache_tag_header Cache-Tag;
        edge_cache_args strip=t,_;
        add_header X-Cache \$edge_cache_status always;
        add_header X-Time \$edge_image_time always;
        add_header X-Key \$edge_cache_key always;
        location /p/ { edge_cache_tag place; edge_purge; $pass }
        location /warm/ { edge_image_prewarm sm md lg; $pass }
        location /stale/ { edge_cache_stale if_error=100s; edge_cache_ignore_headers Cache-Control; edge_cache_valid 200 1s; $pass }
        location /mine/ { edge_cache_private jwt key_file=@{[$nginx->dir]}/key; edge_cache_valid 200 100s; $pass }
        location /file/ { alias $files/; edge_cache_valid 200 100s; }
        location /uses/ { edge_cache_min_uses 2; $pass }
        location /shadow/ { edge_cache_shadow on; $pass }
        location = /purge { edge_purge; }
        location = /status { edge_status; }
    }
    map \$arg_cc \$control { default \$arg_cc; "" max-age=100; none ""; }
    map \$http_x_user \$whose { ann dogs.jpg; default stream.jpg; }
    server {
        listen 127.0.0.1:$origin;
        access_log @{[$nginx->dir]}/logs/origin.log seen;
        root $files;
        add_header Cache-Control \$control;
        add_header Set-Cookie \$arg_cookie;
        add_header Cache-Tag \$arg_tag;
        location / { if (\$request_method = POST) { return 204; } rewrite ^/.*/(.*) /\$1 break; }
        location /mine/ { rewrite ^ /\$whose break; }
        location /stale/down { return 503; }
    }
_EOC_
$nginx->start($edge);

my %webp = (Accept => 'image/webp,*/*');
sub get { my ($target, %headers) = @_; return $nginx->request($edge, 'GET', $target, %webp, %headers) }
sub origin_log { open my $in, '<', $nginx->dir . '/logs/origin.log' or return (); chomp(my @lines = <$in>); return @lines }
my $asked = 0;
# asked(): how often the origin was asked since the last time.
sub asked { my $before = $asked; $asked = () = origin_log(); return $asked - $before }
sub renders { my $images = decode_json($nginx->request($edge, 'GET', '/status')->{content})->{images}; my $n = 0; $n += $_ for values %{ $images->{renders} }; return $n }

# is_cached($what, $target, $status, %headers): $edge_cache_status of a picture.
sub is_cached {
    my ($what, $target, $status, %headers) = @_;
    my $answer = get($target, %headers);
    is("$answer->{status} $answer->{headers}{'x-cache'}", "200 $status", $what);
    return $answer;
}

# --- the key ---
my $first = is_cached('the first is made', '/p/dogs.jpg?preset=sm', 'MISS');
is(asked(), 1, 'the source was fetched');
is(shape($first->{content}), 'webp 150x150', 'it is what was asked for');
like($first->{headers}{'cache-status'}, qr/^edge; fwd=uri-miss; fwd-status=200; stored; ttl=\d+$/, 'it is stored');
is($first->{headers}{'x-key'}, "http://127.0.0.1:$edge/p/dogs.jpg", 'the key names the source');
like($first->{headers}{'x-time'}, qr/^\d+\.\d{3}$/, 'it took time');
my $second = is_cached('the second is not', '/p/dogs.jpg?preset=sm', 'HIT');
is($second->{content}, $first->{content}, 'the same bytes');
is_deeply([map { $second->{headers}{$_} } qw(etag content-type last-modified cache-control vary)],
    [map { $first->{headers}{$_} } qw(etag content-type last-modified cache-control vary)], 'the same fields');
is($second->{headers}{'x-time'}, undef, 'it took none');
is_cached('another Accept, the same outcome', '/p/dogs.jpg?preset=sm', 'HIT', Accept => 'image/webp;q=0.9, image/png, */*;q=0.1');
is_cached('the same in other words', '/p/dogs.jpg?dpr=2&fit=cover&gravity=center&preset=sm', 'MISS');
is_cached('the same in other words', '/p/dogs.jpg?preset=sm&dpr=2.0', 'HIT');
is_cached('the app\'s arguments that do not count', '/p/dogs.jpg?t=1&preset=sm&_=2', 'HIT');
is_cached('another outcome', '/p/dogs.jpg?preset=sm', 'MISS', Accept => 'image/avif');
is_cached('another size', '/p/dogs.jpg?preset=md', 'MISS');
is_cached('another page', '/p/dogs.jpg?preset=sm&page=0', 'MISS');
is(asked(), 0, 'the source is fetched once for all of them');
is_cached('the source is an object of its own', '/p/dogs.jpg', 'HIT', Accept => '*/*');
is_cached('other arguments of the app are another source', '/p/dogs.jpg?v=2&preset=sm', 'MISS');
is(asked(), 1, 'which is fetched');
isnt(get('/p/stream.jpg?preset=sm')->{content}, $first->{content}, 'another source is another picture');

# --- conditions and ranges ---
is(get('/p/dogs.jpg?preset=sm', 'If-None-Match' => $first->{headers}{etag})->{status}, 304, 'If-None-Match on a hit');
is(get('/p/nuthatch.jpg?preset=sm', 'If-None-Match' => '"x"')->{status}, 200, 'If-None-Match on a miss');
is_cached('which is stored', '/p/nuthatch.jpg?preset=sm', 'HIT');
my $part = get('/p/nuthatch.jpg?preset=md', Range => 'bytes=5-14');
is($part->{status}, 206, 'Range on a miss');
my $whole = is_cached('the whole of it is stored', '/p/nuthatch.jpg?preset=md', 'HIT');
is($part->{content}, substr($whole->{content}, 5, 10), 'it was the right part');
my $head = $nginx->request($edge, 'HEAD', '/p/nuthatch.jpg?preset=lg', %webp);
is("$head->{status} $head->{headers}{'content-type'}", '200 image/webp', 'HEAD on a miss');
is_cached('HEAD stores nothing', '/p/nuthatch.jpg?preset=lg', 'MISS');

# --- what is not stored ---
for my $case (['no-store', '?cc=no-store'], ['private', '?cc=private'], ['a cookie', '?cookie=a'], ['no freshness', '?cc=max-age=0,no-store']) {
    my ($what, $args) = @$case;
    is_cached("$what: made", "/p/dogs.jpg$args&preset=sm", 'MISS') for 1, 2;
}
is_cached('somebody\'s', '/p/dogs.jpg?mine=1&preset=sm', 'MISS', Authorization => 'Bearer x') for 1, 2;
is_cached('nor given to others', '/p/dogs.jpg?mine=1&preset=sm', 'MISS');
is_cached('public, though somebody\'s', '/p/dogs.jpg?cc=public,max-age=90&preset=sm', 'MISS', Authorization => 'Bearer x');
is_cached('then everybody\'s', '/p/dogs.jpg?cc=public,max-age=90&preset=sm', 'HIT');

# --- per user ---
sub bearer {
    my ($sub) = @_;
    my $text = join '.', map { encode_base64url(encode_json($_)) } { alg => 'HS256' }, { sub => $sub, exp => int(time) + 600 };
    return (Authorization => "Bearer $text." . encode_base64url(hmac_sha256($text, $secret)));
}
# The origin tells users apart by what a token's claims say, which is beyond nginx.
my %user = map { my $name = $_; ($name => { bearer($name) }) } qw(ann bob);
$user{$_}{'X-User'} = $_ for keys %user;
my %mine = map { $_ => is_cached("$_: made", '/mine/photo.jpg?preset=sm', 'MISS', %{ $user{$_} }) } qw(ann bob);
for my $name (qw(ann bob)) {
    my $again = is_cached("$name: kept", '/mine/photo.jpg?preset=sm', 'HIT', %{ $user{$name} });
    is($again->{content}, $mine{$name}{content}, "$name: the same picture");
}
isnt($mine{ann}{content}, $mine{bob}{content}, 'each their own');
is_cached('nobody: made', '/mine/photo.jpg?preset=sm', 'PASS') for 1, 2;

# --- purging ---
sub purge { my ($what) = @_; my $answer = $nginx->send($edge, 'POST', '/purge', encode_json($what), 'Content-Type' => 'application/json'); is($answer->{status}, 200, 'purged') or diag $answer->{content} }
my $fresh = '/p/dogs.jpg?cc=max-age=50&tag=kennel';
sub stored { is_cached("$_[0]: made", "$fresh&preset=sm", 'MISS'); is_cached("$_[0]: stored", "$fresh&preset=sm", 'HIT') }
stored('before a purge');
is($nginx->request($edge, 'PURGE', $fresh)->{status}, 200, 'its source is purged');
stored('after the purge of its source');
purge({ tags => ['kennel'] });
stored('after the purge of its source\'s tag');
purge({ tags => ['place'] });
stored('after the purge of the location\'s tag');
is($nginx->send($edge, 'POST', $fresh, 'x')->{status}, 204, 'its source is written to');
stored('after the write');
asked();
my $before = renders();
purge({ tags => ['kennel'], soft => JSON::PP::true });
is_cached('after a soft purge its source is asked for', "$fresh&preset=sm", 'REVALIDATED');
is(asked(), 1, 'with one request');
like((origin_log())[-1], qr/ \\x22[0-9a-f]+-[0-9a-f]+\\x22$/, 'and its own validator');
is(renders(), $before, 'and it is not made again');

# --- sources that were used a moment ago ---
put('warm.jpg', slurp("$photos/dogs.jpg"));
my $at = '/p/warm.jpg?cc=max-age=60';
my %old = map { $_ => is_cached("of one source: $_", "$at&preset=$_", 'MISS')->{content} } qw(sm md lg);
is($old{$_}, get("/p/dogs.jpg?cc=max-age=61&preset=$_")->{content}, "$_ is what it should be") for qw(sm md lg);
put('warm.jpg', slurp("$photos/nuthatch.jpg"));
is($nginx->request($edge, 'PURGE', $at)->{status}, 200, 'it is another picture now, and purged');
for my $preset (qw(sm md lg)) {
    my $new = is_cached("of the new one: $preset", "$at&preset=$preset", 'MISS');
    is($new->{content}, get("/p/nuthatch.jpg?cc=max-age=61&preset=$preset")->{content}, "$preset is the new one");
}

# --- freshness ---
my $short = '/p/stream.jpg?cc=max-age=2';
my $made = is_cached('short-lived: made', "$short&preset=sm", 'MISS');
sleep 2.2;
is(is_cached('short-lived: over', "$short&preset=sm", 'REVALIDATED')->{headers}{etag}, $made->{headers}{etag}, 'the same');
put('stream.jpg', slurp("$photos/nuthatch.jpg"));
sleep 2.2;
my $changed = is_cached('short-lived: its source has changed', "$short&preset=sm", 'EXPIRED');
isnt($changed->{headers}{etag}, $made->{headers}{etag}, 'another one');
isnt($changed->{content}, $made->{content}, 'of other bytes');
is(shape($changed->{content}), 'webp 150x150', 'a picture');
put('stream.jpg', slurp("$photos/stream.jpg"));
is_cached('of an older source', '/p/dogs.jpg?cc=max-age=90', 'MISS', Accept => '*/*');
sleep 1.5;
my $late = is_cached('made late', '/p/dogs.jpg?cc=max-age=90&preset=sm', 'MISS');
cmp_ok($late->{headers}{age}, '>=', 1, 'it is as old as its source');
cmp_ok(is_cached('and later', '/p/dogs.jpg?cc=max-age=90&preset=sm', 'HIT')->{headers}{age}, '>=', 1, 'so it stays');

# --- originals ---
put('large.jpg', slurp("$photos/stream.jpg") . "\0" x 3_000_000);
my $original = slurp("$files/large.jpg");
my $large = '/p/large.jpg?cc=max-age=50,no-transform&preset=sm';
ok(is_cached('a large original as it is', $large, 'MISS')->{content} eq $original, 'all of it');
ok(is_cached('a large original, stored', $large, 'HIT')->{content} eq $original, 'all of it');
my $slice = get($large =~ s/=50/=51/r, Range => 'bytes=2000000-2000009');
is("$slice->{status} $slice->{content}", '206 ' . substr($original, 2_000_000, 10), 'a part of it');

# --- files ---
is_cached('of a file: made', '/file/dogs.jpg?preset=sm', 'MISS');
my $file = is_cached('of a file: stored', '/file/dogs.jpg?preset=sm', 'HIT');
ok($file->{headers}{'last-modified'}, 'with the file\'s time');

# --- other ways of caching ---
is_cached('too seldom', '/uses/dogs.jpg?preset=sm', 'MISS') for 1, 2;
is_cached('often enough', '/uses/dogs.jpg?preset=sm', 'HIT');
is_cached('a shadow', '/shadow/dogs.jpg?preset=sm', 'MISS');

# --- several clients at once ---
asked();
$before = renders();
my @clients = map { HeldOrigin::client($edge, 'GET', '/p/dogs.jpg?v=crowd&preset=xl', %webp) } 1 .. 8;
my @answers = map { HeldOrigin::result($_) } @clients;
is(scalar(grep { $_->{status} == 200 && $_->{headers}{etag} eq $answers[0]{headers}{etag} } @answers), 8, 'a crowd gets one picture');
is(asked(), 1, 'of one source');
is(renders(), $before + 1, 'rendered once');

# --- ahead of time ---
is_cached('one size is asked for', '/warm/dogs.jpg?preset=sm', 'MISS');
my $end = time + 30;
sleep 0.1 until renders() >= $before + 4 || time > $end;
sleep 0.3;
is_cached("$_ is there already", "/warm/dogs.jpg?preset=$_", 'HIT') for qw(md lg);
is(renders(), $before + 4, 'each was made once');
is_cached('not for other formats', '/warm/dogs.jpg?preset=md', 'MISS', Accept => 'image/avif');

$nginx->stop;
my @wrong = grep { /\[(?:alert|crit|emerg|error|warn)\]/ } split /\n/, $nginx->log;
is_deeply(\@wrong, [], 'nothing is wrong in the log');

done_testing;

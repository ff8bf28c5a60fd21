# edge_cache_private: answers kept for one user, whom a token or a secret names.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Test::More;
use OwnNginx;

my $nginx = OwnNginx->new('private');
my ($edge, $origin) = map { $nginx->port($_) } 0, 1;
my $secret = 'a secret of more than 32 bytes, known to the app';
my $keys = $nginx->dir . '/key';
sub put { my ($name, $text) = @_; open my $out, '>', "$name.new" or die; print {$out} $text; close $out; chmod 0644, "$name.new"; rename "$name.new", $name or die }
put($keys, "$secret\n");

sub token {
    my ($sub, %more) = @_;
    my $key = delete $more{key} // $secret;
    my $alg = delete $more{alg} // 'HS256';
    my %claims = (exp => time + 600, %more);
    $claims{sub} = $sub if defined $sub;
    my $json = JSON::PP->new->canonical;
    my $text = encode_base64url($json->encode({ alg => $alg })) . '.' . encode_base64url($json->encode(\%claims));
    return "$text." . encode_base64url(hmac_sha256($text, $key));
}
sub bearer { return (Authorization => 'Bearer ' . token(@_)) }

my $pass = "proxy_pass http://127.0.0.1:$origin; proxy_http_version 1.1; proxy_set_header Host \$http_host;";
my $http = <<"_EOC_";
    edge_zone main size=8m;
    edge_cache main;
    edge_cache_valid 200 404 100s;
    add_header X-Cache \$edge_cache_status always;
    add_header X-Key \$edge_cache_key always;
    server {
        listen 127.0.0.1:$edge;
        large_client_header_buffers 4 32k;
        keepalive_requests 100000;
        location / { edge_cache_private jwt key_file=$keys; $pass }
        location /long { edge_cache_private jwt key_file=$keys max_ttl=1h; edge_cache_stale while_revalidate=1h if_error=1h; $pass }
        location /keyed { edge_cache_private jwt key_file=$keys; edge_cache_key "\$arg_key"; $pass }
        location /open { edge_cache_key "\$http_x_key"; $pass }
        location /cookie { edge_cache_private jwt key_file=$keys token=\$cookie_jwt; $pass }
        location /tenant { edge_cache_private jwt key_file=$keys claim=sub,tenant; $pass }
        location /session { edge_cache_private secret=\$cookie_session max_ttl=30s; $pass }
        location /error { edge_cache_private jwt key_file=$keys max_ttl=1h; edge_cache_stale if_error=1h; $pass }
        location = /logout { edge_cache_private jwt key_file=$keys; edge_cache_invalidate "user:\$edge_cache_user"; add_header X-User "<\$edge_cache_user>"; $pass }
        location /off { edge_cache_private off; $pass }
        location = /purge { edge_purge; }
        location = /status { edge_status; }
    }
    server {
        listen 127.0.0.1:$origin;
        large_client_header_buffers 4 32k;
        location / {
            add_header Cache-Control \$http_x_control always;
            add_header Vary \$http_x_vary always;
            add_header Set-Cookie \$http_x_cookie always;
            add_header ETag \$http_x_etag always;
            add_header X-Serial \$request_id always;
            if (\$http_x_status = 401) { return 401 "no"; }
            if (\$http_x_status = 403) { return 403 "no"; }
            if (\$http_x_status = 404) { return 404 "no"; }
            if (\$http_x_status = 410) { return 410 "no"; }
            if (\$http_x_status = 500) { return 500 "no"; }
            if (\$http_if_none_match) { return 304; }
            return 200 "\$http_authorization \$http_cookie";
        }
    }
_EOC_
$nginx->write($nginx->conf($http));
$nginx->start($edge);

sub get { my ($target, @headers) = @_; return $nginx->request($edge, 'GET', $target, @headers) }
sub cache { return get(@_)->{headers}{'x-cache'} }
sub caches { return join ' ', map { cache(@$_) } @_ }
sub detail { return (get(@_)->{headers}{'cache-status'} =~ /detail=([^;]+)/)[0] // '' }
sub ttl { return (get(@_)->{headers}{'cache-status'} =~ /ttl=(-?\d+)/)[0] }
sub tokens { return decode_json($nginx->request($edge, 'GET', '/status')->{content})->{cache}{tokens} }

# whose
my @alice = bearer('alice');
my @bob = bearer('bob');
is(caches((['/a', @alice]) x 2, (['/a', @bob]) x 2), 'MISS HIT MISS HIT', 'each user has an answer of their own');
is(get('/a', @bob)->{content}, "$bob[1] ", 'which is theirs');
is(get('/a', @alice)->{content}, "$alice[1] ", 'both');
is(cache('/a', bearer('alice', jti => 2)), 'HIT', 'a new token of the same user finds it');
is(cache('/a', bearer('alice', iss => 'x')), 'MISS', 'the same name from another issuer does not');
is(cache('/a', bearer('alice', aud => 'x')), 'MISS', 'nor for another audience');
is(cache('/a', bearer('alic')), 'MISS', 'nor one whose name begins so');
is(cache('/a', bearer("alice\0")), 'MISS', 'nor one with a NUL behind it');
is(get('/a', @alice)->{headers}{'cache-status'} =~ /^edge; hit; ttl=(\d+)$/ ? $1 <= 60 : 0, 1, 'Cache-Status shows a ttl within max_ttl');
like(get('/a', @alice)->{headers}{'x-key'}, qr{^\s*http://127\.0\.0\.1:\d+/a$}, '$edge_cache_key says nothing of whom');

# nobody
for my $case (
    ['no token'], ['another scheme', Authorization => 'Basic YWxpY2U6eA=='], ['an empty one', Authorization => 'Bearer '],
    ['a wrong signature', bearer('alice', key => 'another secret of more than 32 bytes, not known')],
    ['an expired one', bearer('alice', exp => time - 1)], ['one not valid yet', bearer('alice', nbf => time + 60)],
    ['one without sub', bearer(undef)], ['a sub that is a number', bearer(7)], ['a sub that is a list', bearer(['alice'])],
    ['one without end', bearer('alice', exp => undef)], ['alg none', bearer('alice', alg => 'none')],
    ['alg RS256 with an HMAC', bearer('alice', alg => 'RS256')], ['two in one line', Authorization => "Bearer $alice[1]"],
    ['too long a one', bearer('alice', x => 'x' x 9000)])
{
    my ($name, @headers) = @$case;
    my @twice = map { get('/a', @headers, 'X-Control' => 'public, max-age=600') } 1 .. 2;
    is(join(' ', map { $_->{headers}{'x-cache'} } @twice), 'PASS PASS', "$name: to the app, nothing stored or served");
    isnt($twice[0]{headers}{'x-serial'}, $twice[1]{headers}{'x-serial'}, "$name: two answers");
    like($twice[1]{headers}{'cache-status'}, qr/fwd=bypass.*detail=token/, "$name: Cache-Status says why");
}
my $raw = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $edge);
print {$raw} "GET /a HTTP/1.1\r\nHost: 127.0.0.1:$edge\r\nAuthorization: $alice[1]\r\nAuthorization: $bob[1]\r\nConnection: close\r\n\r\n";
my $answer = do { local $/; <$raw> };
like($answer, qr/^HTTP\/1\.1 400|X-Cache: PASS/m, 'two Authorization lines are nobody');

# kept from everybody
is(cache('/p', 'X-Control' => 'max-age=60'), 'PASS', 'without a token even what is public is not stored');
get('/p', @alice, 'X-Control' => 'public, max-age=60');
is(cache('/p', @bob, 'X-Control' => 'public, max-age=60'), 'MISS', 'and what one user was told is not told to another, public or not');
my $mark = "\2jwt";
get('/keyed?key=k', @alice);
is(cache('/keyed?key=k', @alice), 'HIT', 'a key of one\'s own works per user');
is(caches((['/open', 'X-Key' => 'k', 'X-Control' => 'max-age=60']) x 2), 'MISS HIT', 'the same key in a location for all is another one');
my $length = length $keys;
my $forged = "\2jwt $length:${keys}19:--3:sub5:alice k";
my $sent = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $edge);
print {$sent} "GET /open HTTP/1.1\r\nHost: x\r\nX-Key: $forged\r\nX-Control: max-age=60\r\nConnection: close\r\n\r\n";
$answer = do { local $/; <$sent> };
unlike($answer, qr/X-Cache: HIT/, 'nobody writes a key that begins like a private one');
is(cache('/off', @alice, 'X-Control' => ''), 'MISS', 'off: judged as for all');
is(detail('/off', @alice), 'authorization', 'so it is not stored');

# who writes
cache("/out", @alice); cache('/out', @bob);
my $logout = $nginx->request($edge, 'POST', '/logout', @alice);
is($logout->{headers}{'x-user'}, '<alice>', '$edge_cache_user is whose a write is');
is(cache('/out', @alice), 'MISS', 'a logout purges what its user has');
is(cache('/out', @bob), 'HIT', 'and nobody else');
is($nginx->request($edge, 'POST', '/logout', bearer('alice', key => 'another secret of more than 32 bytes, not known'))->{headers}{'x-user'}, '<>', 'a forged token is nobody\'s');
is(cache('/out', @alice), 'HIT', 'and purges nothing');

# what is stored
is(caches((['/c1', @alice, 'X-Control' => 'private, max-age=10']) x 2), 'MISS HIT', 'private may be stored for one user');
is(caches((['/c2', @alice, 'X-Control' => 'no-store']) x 2), 'MISS MISS', 'no-store may not');
is(caches((['/c3', @alice, 'X-Vary' => 'Authorization']) x 2), 'MISS HIT', 'Vary: Authorization is covered');
is(cache('/c3', bearer('alice', jti => 3), 'X-Vary' => 'Authorization'), 'HIT', 'for a new token too');
is(caches((['/c4', @alice, 'X-Vary' => '*']) x 2), 'MISS MISS', 'Vary: * is not');
is(caches((['/c5', @alice, 'X-Cookie' => 'a=b', 'X-Control' => 'public, max-age=60']) x 2), 'MISS MISS', 'nor is an answer that sets a cookie, public or not');
is(caches((['/c6', @alice, Cookie => 'theme=dark']) x 2), 'MISS HIT', 'a request with a cookie is no obstacle');
is(caches((['/c7', @alice, 'X-Vary' => 'X-Kind', 'X-Kind' => 1]) x 2, ['/c7', @alice, 'X-Kind' => 2, 'X-Vary' => 'X-Kind'], ['/c7', @bob, 'X-Kind' => 1, 'X-Vary' => 'X-Kind']), 'MISS HIT MISS MISS', 'Vary works within each user');
for my $status (401, 403, 410, 500) {
    my @other = bearer('alice', jti => "with $status");
    is(caches((["/e$status", @other, 'X-Status' => $status, 'X-Control' => 'public, max-age=300']) x 2), $status == 401 ? 'MISS PASS' : 'MISS MISS', "$status is not stored, public or not");
}
is(caches((['/e404', @alice, 'X-Status' => 404, 'X-Control' => 'public, max-age=300']) x 2), 'MISS HIT', '404 is where edge_cache_valid names it');
is(get('/t', @alice, 'X-Control' => 'max-age=3600')->{headers}{'cache-status'} =~ /ttl=60$/ ? 1 : 0, 1, 'max_ttl is 60 s unless said');
is(ttl('/t2', bearer('alice', exp => time + 20), 'X-Control' => 'max-age=3600') <= 20, 1, 'and the token\'s end comes first');
is(ttl('/long/a', @alice, 'X-Control' => 'max-age=7200') <= 600, 1, 'also before a longer max_ttl');
my @short = bearer('alice', exp => time + 2);
get('/long/s', @short, 'X-Control' => 'max-age=100');
sleep 3;
is(cache('/long/s', @short), 'PASS', 'an expired token gets nothing, though it was remembered');
is(cache('/long/s', @alice, 'X-Status' => 500, 'Cache-Control' => 'max-stale=1000, stale-if-error=1000'), 'EXPIRED', 'what is over is over: neither stale windows nor the client\'s wishes prolong it');

# 304
is(caches(['/v', @alice, 'X-Control' => 'private, no-cache', 'X-Etag' => 'W/"1"'], ['/v', @alice, 'X-Control' => 'private, no-cache', 'X-Etag' => 'W/"1"']), 'MISS REVALIDATED', 'a weak ETag saves the body per user');
is(get('/v', @alice, 'X-Control' => 'private, no-cache', 'X-Etag' => 'W/"1"')->{content}, "$alice[1] ", 'which is the stored one');
is(cache('/v', @bob, 'X-Control' => 'private, no-cache', 'X-Etag' => 'W/"1"'), 'MISS', 'another user\'s validators are not used');
my @other = bearer('alice', jti => 9);
get('/r', @other);
get('/r', @other, 'Cache-Control' => 'no-cache', 'X-Status' => 401);
is(cache('/r', @alice, 'X-Status' => 403), 'MISS', 'a 401 takes away what was stored for that user');

# a token that the app no longer takes
my @revoked = bearer('carol', jti => 1);
my @good = bearer('carol', jti => 2);
is(caches(['/k', @good], ['/k', @revoked]), 'MISS HIT', 'two tokens of one user');
get('/elsewhere', @revoked, 'X-Status' => 401);
is(cache('/k', @revoked), 'PASS', 'one that the app refused with 401, anywhere, gets nothing from the cache any more');
is(detail('/k', @revoked), 'token', 'and Cache-Status says why');
is(cache('/tenant', bearer('carol', jti => 1, tenant => 'x')), 'MISS', 'it is that very token');
is(cache('/k', @good), 'HIT', 'the other one is as good as before');
get('/long/k', @good, 'X-Status' => 403);
is(cache('/k', @good), 'HIT', 'a 403 says nothing of the token');

# stale-if-error
get('/long/z', @$_) for \@alice, \@bob;
$nginx->send($edge, 'POST', '/purge', '{"tags":["user:alice","user:bob"],"soft":true}');
my $stale = get('/long/z', @alice, 'X-Status' => 500);
is("$stale->{status} $stale->{headers}{'x-cache'} $stale->{content}", "200 UPDATING $alice[1] ", 'stale while it is renewed: one\'s own');
$nginx->send($edge, 'POST', '/purge', '{"tags":["user:alice","user:bob"],"soft":true}');
get('/error/z', @$_) for \@alice, \@bob;
$nginx->send($edge, 'POST', '/purge', '{"tags":["user:alice","user:bob"],"soft":true}');
$stale = get('/error/z', @alice, 'X-Status' => 500);
is("$stale->{status} $stale->{headers}{'x-cache'} $stale->{content}", "200 STALE $alice[1] ", 'stale if the app fails: one\'s own');
is(get('/error/z', @bob, 'X-Status' => 500)->{content}, "$bob[1] ", 'to each');
is(get('/error/z', bearer('carol', jti => 3), 'X-Status' => 500)->{status}, 500, 'who has none gets the error');
is(get('/error/z', 'X-Status' => 500)->{status}, 500, 'and so does who is nobody');
is(get('/error/z', bearer('alice', jti => 10), 'X-Status' => 401)->{status}, 401, 'a 401 is no failure');

# purges and writes
get('/w', @$_) for \@alice, \@bob;
is(caches(['/w', @alice], ['/w', @bob]), 'HIT HIT', 'two users have it');
$nginx->request($edge, 'POST', '/w', @alice);
is(caches(['/w', @alice], ['/w', @bob]), 'MISS MISS', 'a write takes all of them');
get('/w2', @$_) for \@alice, \@bob;
$nginx->request($edge, 'POST', '/w2', @alice);
# More than the edge remembers single writes of: by then only the purge of its URL speaks of this one.
my $pipe = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $edge);
my $written = 0;
for my $turn (1 .. 200) {
    print {$pipe} map { "POST /others/$turn.$_ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" } 1 .. 100;
    for (my $seen = 0; $seen < 100;) { my $line = <$pipe> // last; if ($line =~ m{HTTP/1\.1 200}) { $seen++; $written++ } }
}
is($written, 20000, 'many writes');
is(caches(['/w2', @alice], ['/w2', @bob]), 'MISS MISS', 'for good, however many come after it');
$nginx->request($edge, 'POST', '/w', 'X-Status' => 500);
is(caches(['/w', @alice], ['/w', @bob]), 'HIT HIT', 'one that failed does not');
$nginx->send($edge, 'POST', '/purge', '{"tags":["user:alice"]}');
is(caches(['/w', @alice], ['/w', @bob]), 'MISS HIT', 'the tag user:… is one user\'s');
$nginx->send($edge, 'POST', '/purge', qq({"urls":["http://127.0.0.1:$edge/w"]}));
is(caches(['/w', @alice], ['/w', @bob]), 'MISS MISS', 'a purge by URL takes all of them');

# cookies
my @cookie = (Cookie => 'a=b; jwt=' . token('alice'));
is(caches((['/cookie', @cookie]) x 2), 'MISS HIT', 'a token in a cookie');
is(cache('/cookie', Cookie => 'jwt=' . token('bob')), 'MISS', 'another user\'s');
is(cache('/cookie', @cookie, @bob), 'PASS', 'a token in a header besides: nobody knows which the app takes');
is(cache('/cookie', Cookie => 'jwt=' . token('alice') . '; JWT=' . token('bob')), 'PASS', 'two in cookies');
is(cache('/cookie', Cookie => 'jwt=x'), 'PASS', 'one that is none');
is(cache('/cookie', @alice), 'PASS', 'and one elsewhere only');
is(caches((['/tenant', bearer('alice', tenant => 'x')]) x 2, ['/tenant', bearer('alice', tenant => 'y')], ['/tenant', @alice]), 'MISS HIT MISS PASS', 'two claims count together');
my @session = (Cookie => 'session=0123456789abcdef');
is(caches((['/session', @session]) x 2, ['/session', Cookie => 'session=0123456789abcdeg'], ['/session', Cookie => 'session=']), 'MISS HIT MISS PASS', 'a secret session');
is(caches(['/session'], ['/session', Cookie => 'session=1'], ['/session', Cookie => 'session=0123456789abcdef; session=0123456789abcdeg'], ['/session', @session, @alice]), 'PASS PASS PASS PASS', 'none, one that can be guessed, two, and one besides Authorization');
is(ttl('/session/t', @session, 'X-Control' => 'max-age=600'), 30, 'max_ttl of a secret');

# counters
my $before = tokens();
get('/n', bearer('carol', n => $_ % 2)) for 1 .. 6;
get('/n');
get('/n', bearer('carol', exp => 1));
my $after = tokens();
is($after->{verified} - $before->{verified}, 2, 'each token is verified once');
is($after->{remembered} - $before->{remembered}, 4, 'and known from then on');
is($after->{absent} - $before->{absent}, 1, 'absent ones are counted');
is($after->{expired} - $before->{expired}, 1, 'refused ones by reason');
cmp_ok($after->{signature}, '>', 0, 'signatures too');
cmp_ok(decode_json($nginx->request($edge, 'GET', '/status')->{content})->{cache}{not_stored}{token}, '>', 20, 'and what they passed for');

# new keys
sub until_cache { my ($wanted, @request) = @_; for (1 .. 100) { return 1 if cache(@request) =~ $wanted; select undef, undef, undef, 0.1 } return 0 }
my $next = 'the next secret of more than 32 bytes, for the app';
put($keys, $next);
ok(until_cache(qr/MISS|HIT/, '/k', bearer('alice', key => $next)), 'a changed key file is read again');
is(cache('/a', @alice), 'PASS', 'a token of the key that has gone is nobody\'s, remembered or not');
put($keys, 'short');
for (1 .. 100) { last if $nginx->log =~ /can't be used/; select undef, undef, undef, 0.1 }
like($nginx->log, qr/\[error\].*edge: key_file "[^"]+" has changed and can't be used: it is a secret of 5 bytes, at least 32 are needed; the keys before stay/, 'a broken one is said to be');
is(cache('/k', bearer('alice', key => $next)), 'HIT', 'and the keys before stay');
my $lines = () = $nginx->log =~ /can't be used/g;
sleep 2;
is(scalar(() = $nginx->log =~ /can't be used/g), $lines, 'it is said once');
put($keys, $secret);
ok(until_cache(qr/MISS|HIT/, '/k', @alice), 'and again');
$nginx->reload;
is(cache('/k', @alice), 'HIT', 'a reload keeps what is stored');
unlike($nginx->log, qr/\[(alert|crit|emerg)\]/, 'nothing went wrong');
$nginx->stop;

# mistakes
for my $case (
    ['jwt', 'jwt needs the keys'], ['jwt key_file=/nowhere/key', q(key_file "/nowhere/key": it can't be opened; expected a JWK set)],
    ["jwt key_file=$keys claim=", '"claim=", expected a value after ='], ["jwt key_file=$keys claim=a,,b", 'expected names of claims'],
    ["jwt key_file=$keys token=abc", 'expected a variable, as in $cookie_session'], ["jwt key_file=$keys max_ttl=0", 'expected a time from 1s to 1d'],
    ["jwt key_file=$keys max_ttl=2d", 'expected a time from 1s to 1d'], ["jwt key_file=$keys key_file=$keys", 'expected it once'],
    ["jwt key_file=$keys secret=\$arg_x", 'expected jwt with claim='], ['secret=abc', 'expected a variable'], ['secret=$cookie_a claim=sub', 'expected secret= with max_ttl='],
    ['on', 'expected secret= with max_ttl=, jwt with key_file=, or off'], ['max_ttl=5s', 'expected first jwt, secret= or off'],
    ["off; edge_cache_private off", 'is duplicate'])
{
    my ($text, $wanted) = @$case;
    $nginx->write($nginx->conf("edge_zone main size=8m; server { listen 127.0.0.1:$edge; edge_cache_private $text; }"));
    my ($fine, $output) = $nginx->check;
    ok(!$fine, "$text is refused");
    like($output, qr/\[emerg\].*\Q$wanted\E.*nginx\.conf:\d+/, 'with the reason and the line');
}
done_testing;

# edge_cache_refill: what a write has killed is asked for again, if it was in use.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Test::More;
use OwnNginx;

my $nginx = OwnNginx->new('refill');
my ($edge, $origin) = map { $nginx->port($_) } 0, 1;
my $secret = 'a secret of more than 32 bytes, known to the app';
open my $key, '>', $nginx->dir . '/key' or die;
print {$key} $secret;
close $key;
chmod 0644, $nginx->dir . '/key';
my $asked = $nginx->dir . '/logs/asked.log';
my $pass = "proxy_pass http://127.0.0.1:$origin; proxy_http_version 1.1; proxy_set_header Host \$http_host;";
my $conf = <<"_EOC_";
    edge_zone main size=8m;
    edge_cache main;
    edge_cache_args sort strip=_cb;
    edge_cache_vary Origin;
    add_header X-Cache \$edge_cache_status always;
    log_format asked '\$request_method \$request_uri type=\$http_content_type override=\$http_x_http_method_override origin=\$http_origin';
    server {
        listen 127.0.0.1:$edge;
        location ~ ^/p/(?<id>\\d+) {
            edge_cache_tag "project:\$id";
            edge_cache_invalidate "project:\$id" lists;
            edge_cache_refill "/p/\$id" /lists /lists?b=2&a=1 /passed /unknown "\$arg_more";
            $pass
        }
        location /lists { edge_cache_tag lists; $pass }
        location /passed { edge_cache off; $pass }
        location /alone { edge_cache_tag lists; edge_cache_refill /alone/1; $pass }
        location /mine/ {
            edge_cache_private jwt key_file=$nginx->{dir}/key;
            edge_cache_tag "mine:\$edge_cache_user";
            edge_cache_invalidate "mine:\$edge_cache_user";
            edge_cache_refill /mine/list;
            $pass
        }
        location = /status { edge_status; }
    }
    server {
        listen 127.0.0.1:$origin;
        access_log $asked asked;
        location / {
            add_header Cache-Control max-age=600;
            if (\$http_x_status = 500) { return 500; }
            return 200 \$request_id;
        }
    }
_EOC_
$nginx->write($nginx->conf($conf));
$nginx->start($edge);

sub get { return $nginx->request($edge, 'GET', @_) }
sub cache { return get(@_)->{headers}{'x-cache'} }
sub use_twice { get(@_) for 1 .. 2; return get(@_)->{content} }
sub write_to { my ($target, %headers) = @_; return $nginx->request($edge, 'POST', $target, %headers) }
sub asked {
    open my $in, '<', $asked or return;
    return map { s/\n//r } <$in>;
}
# The GETs that reach the app because of $action, once there are $count of them; then a moment longer.
sub caused {
    my ($count, $action) = @_;
    my $before = () = asked();
    $action->();
    my @lines;
    for (1 .. 100) {
        @lines = asked();
        splice @lines, 0, $before;
        @lines = sort grep { /^GET/ } @lines;
        last if @lines >= $count;
        select undef, undef, undef, 0.05;
    }
    select undef, undef, undef, 0.3;
    @lines = asked();
    splice @lines, 0, $before;
    return join ', ', sort map { /^GET (\S+)/ } @lines;
}

my $old = use_twice('/p/1');
use_twice('/passed');
get('/lists?a=1&b=2');
is(caused(2, sub { write_to('/p/1/images') }), '/lists?b=2&a=1, /p/1', 'what was stored is asked for once more, if once only; the rest is not');
my $answer = get('/p/1');
is($answer->{headers}{'x-cache'}, 'HIT', 'the next reader gets it from here');
isnt($answer->{content}, $old, 'and it is new');
is(cache('/lists?_cb=77&a=1&b=2'), 'HIT', 'by its key, not as it is spelled');
is(cache('/lists'), 'MISS', 'what was not stored is not');

use_twice('/p/1');
caused(1, sub { write_to('/p/1/images') });
is(caused(0, sub { write_to('/p/1/images') }), '', 'what nobody has asked for since is left alone by the next write');
use_twice('/p/1');
is(caused(0, sub { write_to('/p/1/images', 'X-Status' => 500) }), '', 'a write that failed is none');
is(cache('/p/1'), 'HIT', 'and kills nothing');
is(caused(0, sub { get('/p/1/images') for 1 .. 2 }), '/p/1/images', 'a read is none either');

# It is a read of the writer's own.
use_twice('/p/1');
caused(1, sub { write_to('/p/1/images', 'Content-Type' => 'application/json', 'X-HTTP-Method-Override' => 'DELETE', Origin => "http://127.0.0.1:$edge") });
like((grep { /^GET/ } asked())[-1], qr{^GET /p/1 type=- override=- origin=-$}, 'without what belongs to the write, and without the page\'s own origin');
my @elsewhere = ('/p/1', Origin => 'http://elsewhere.example');
use_twice(@elsewhere);
use_twice('/p/1');
caused(1, sub { write_to('/p/1/images', Origin => 'http://elsewhere.example') });
is(cache(@elsewhere), 'HIT', 'another page\'s origin chooses the variant');

# By identity.
sub bearer {
    my ($sub) = @_;
    my $text = join '.', map { encode_base64url(JSON::PP->new->canonical->encode($_)) } { alg => 'HS256' }, { sub => $sub, exp => time + 600 };
    return (Authorization => "Bearer $text." . encode_base64url(hmac_sha256($text, $secret)));
}
my @alice = ('/mine/list', bearer('alice'));
my @bob = ('/mine/list', bearer('bob'));
my ($of_alice, $of_bob) = (use_twice(@alice), use_twice(@bob));
is(caused(1, sub { write_to('/mine/1', bearer('alice')) }), '/mine/list', 'for who wrote');
isnt(get(@alice)->{content}, $of_alice, 'hers is new');
is(cache(@alice), 'HIT', 'and here');
is(get(@bob)->{content}, $of_bob, 'his is as it was');
is(caused(0, sub { write_to('/mine/1', Authorization => 'Bearer nonsense') }), '', 'without a valid token nothing is asked for');

use_twice('/alone/1');
is(caused(0, sub { write_to('/alone/2') }), '', 'what the write has not killed is not asked for');
use_twice('/lists?c=3');
is(caused(1, sub { write_to('/p/9/images?more=/lists?c=3') }), '/lists?c=3', 'a target out of a variable');
is(caused(0, sub { write_to("/p/9/images?more=$_") for 'lists', 'http://127.0.0.1/lists' }), '', 'what is none is nothing');
cmp_ok(decode_json(get('/status')->{content})->{cache}{refills}, '>=', 6, 'they are counted');
unlike($nginx->log, qr/\[(alert|crit|emerg|error)\]/, 'nothing went wrong');
$nginx->stop;

for my $case (['api/projects', '"api/projects" is no path'], ['/a; edge_cache_refill off', 'duplicate']) {
    my ($text, $wanted) = @$case;
    $nginx->write($nginx->conf("edge_zone main size=8m; edge_cache main; server { listen 127.0.0.1:$edge; location / { edge_cache_refill $text; } }"));
    my ($fine, $output) = $nginx->check;
    ok(!$fine, "$text is refused");
    like($output, qr/\[emerg\].*\Q$wanted\E/, 'with the reason');
}
done_testing;

# edge_cache_invalidate: tags that writes purge.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use OwnNginx;

my $nginx = OwnNginx->new('invalidate');
my ($edge, $origin, $other) = map { $nginx->port($_) } 0, 1, 2;
my $pass = "proxy_pass http://127.0.0.1:$origin; proxy_http_version 1.1; proxy_set_header Host \$http_host;";
my $conf = sub { my ($more) = @_; return $nginx->conf(<<"_EOC_") };
    edge_zone main size=8m;
    edge_cache main;
    add_header X-Cache \$edge_cache_status always;
    log_format when '\$request_method \$uri';
    server {
        listen 127.0.0.1:$edge;
        location ~ ^/p/(\\d+) { edge_cache_tag "project:\$1"; edge_cache_invalidate "project:\$1" lists; $pass }
        location = /lists { edge_cache_tag lists; $pass }
        location ~ ^/named/(?<id>\\d+) { edge_cache_invalidate "project:\$id"; $pass }
        location ~ ^/accel/(\\d+) { edge_cache_invalidate "project:\$1"; $pass }
        location ~ ^/inner/(\\d\\d) { internal; edge_cache off; alias $nginx->{dir}/html/done; }
        location ~ ^/intercept/(\\d+) { proxy_intercept_errors on; error_page 302 404 = \@shown; edge_cache_invalidate "project:\$1"; $pass }
        location \@shown { edge_cache off; return 200 shown; }
        location /upstream { edge_cache_invalidate "project:\$upstream_http_x_project"; $pass }
        location /uri { edge_cache_invalidate "project:\$arg_id\$uri"; $pass }
        location /again { edge_cache_invalidate "project:1" again=1s sync=on; $pass }
        location /off { edge_cache_invalidate off; $pass }
        location /empty { edge_cache_invalidate "\$arg_nothing"; $pass }
        location = /status { edge_status; }
        $more
    }
    server {
        listen 127.0.0.1:$origin;
        add_header X-Serial \$request_id always;
        location / {
            add_header Cache-Control max-age=600;
            add_header X-Project 1;
            if (\$http_x_status = 404) { return 404; }
            if (\$http_x_status = 302) { return 302 /elsewhere; }
            if (\$http_x_status = 500) { return 500; }
            return 200 \$request_id;
        }
        location /accel/ { add_header X-Accel-Redirect /inner/22; return 200; }
    }
_EOC_
$nginx->write($conf->(''));
open my $out, '>', "$nginx->{dir}/html/done" or die;
print {$out} 'done';
close $out;
chmod 0755, "$nginx->{dir}/html";
$nginx->start($edge);

my @all = ('/p/1', '/p/2', '/lists');
sub get { return $nginx->request($edge, 'GET', @_) }
sub caches { return join ' ', map { get($_)->{headers}{'x-cache'} } @all }
sub fill { caches() for 1 .. 2; return caches() }
sub write_to { my ($target, %headers) = @_; return $nginx->request($edge, delete $headers{method} // 'POST', $target, %headers) }

is(fill(), 'HIT HIT HIT', 'all are stored');
write_to('/p/1/images');
is(caches(), 'MISS HIT MISS', 'a write purges its tags: a capture, and a plain one');
for my $method (qw(PUT PATCH DELETE BREW)) {
    fill();
    write_to('/p/2/images', method => $method);
    is(caches(), 'HIT MISS MISS', $method);
}
fill();
write_to('/p/1/images', method => $_) for qw(GET HEAD OPTIONS);
is(caches(), 'HIT HIT HIT', 'safe methods purge nothing');
write_to('/p/1/images', 'X-Status' => $_) for 404, 500;
is(caches(), 'HIT HIT HIT', 'nor do writes that failed');
write_to('/p/1/images', 'X-Status' => 302);
is(caches(), 'MISS HIT MISS', 'a redirect is no failure');
fill();
write_to('/named/2');
is(caches(), 'HIT MISS HIT', 'a named capture');
fill();
is(write_to('/accel/1')->{content}, 'done', 'after X-Accel-Redirect');
is(caches(), 'MISS HIT HIT', 'the tags are those of the location that asked the app');
fill();
is(write_to('/intercept/1', 'X-Status' => 302)->{content}, 'shown', 'under proxy_intercept_errors');
is(caches(), 'MISS HIT HIT', 'what the app said counts, not what is shown');
fill();
is(write_to('/intercept/1', 'X-Status' => 404)->{content}, 'shown', 'an error that is shown as 200');
is(caches(), 'HIT HIT HIT', 'is an error');
write_to('/upstream');
is(caches(), 'MISS HIT HIT', 'a field of the answer');
fill();
write_to('/off/1');
write_to('/empty');
is(caches(), 'HIT HIT HIT', 'off, and an empty tag');

# again: what was stored in between goes too
write_to('/again');
is(caches(), 'MISS HIT HIT', 'again=: at once');
is(caches(), 'HIT HIT HIT', 'stored in between');
my $gone = 0;
for (1 .. 100) { select undef, undef, undef, 0.1; last if $gone = get('/p/1')->{headers}{'x-cache'} eq 'MISS' }
ok($gone, 'and a second time');
my $tags = sub { decode_json(get('/status')->{content})->{cache}{purges}{tags} };
my $before = $tags->();
write_to('/again') for 1 .. 5;
$nginx->reload;
cmp_ok($tags->() - $before, '>=', 10, 'a reload does not forget them');

# before the answer: a reader that comes when the first byte of a long one is there
{
    package Slow;
    use IO::Socket::INET;
    sub new { my ($class, $port) = @_; bless { socket => IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 5, ReuseAddr => 1) // die $! }, $class }
    sub accept { my ($self) = @_; my $c = $self->{socket}->accept; $c->autoflush(1); while (<$c>) { last if /^\r\n/ } return $c }
}
my $slow = Slow->new($other);
$nginx->write($conf->(qq(location /slow { edge_cache_invalidate project:1; proxy_pass http://127.0.0.1:$other; proxy_http_version 1.1; proxy_buffering off; })));
$nginx->reload;
fill();
my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $edge);
print {$client} "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
my $app = $slow->accept;
is(caches(), 'HIT HIT HIT', 'before the app has answered nothing is purged');
print {$app} "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345";
my $line = <$client>;
is($line, "HTTP/1.1 200 OK\r\n", 'the first line of a streaming answer');
is(get('/p/1')->{headers}{'x-cache'}, 'MISS', 'comes after the purge');
print {$app} '67890';
close $app;
close $client;
unlike($nginx->log, qr/\[(alert|crit|emerg)\]/, 'nothing went wrong');
$nginx->stop;

for my $case (
    ['sync=on', 'there is no tag'], ['a again=0', '"again=0", expected'], ['a again=2m', '"again=2m", expected'], ['a again=1s again=1s', 'again= once'],
    ['a sync=maybe', '"sync=maybe", expected sync=on or sync=off'], ['off; edge_cache_invalidate a', 'is duplicate'], ['a; edge_cache_invalidate off', 'is duplicate'])
{
    my ($text, $wanted) = @$case;
    $nginx->write($nginx->conf("edge_zone main size=8m; edge_cache main; server { listen 127.0.0.1:$edge; location / { edge_cache_invalidate $text; } }"));
    my ($fine, $output) = $nginx->check;
    ok(!$fine, "$text is refused");
    like($output, qr/\[emerg\].*\Q$wanted\E/, 'with the reason');
}
$nginx->write($nginx->conf("edge_zone main size=8m; server { listen 127.0.0.1:$edge; location /w { edge_cache_invalidate a; } }"));
my ($fine, $output) = $nginx->check;
like($output, qr/\[emerg\] edge_cache_invalidate in location "\/w": nothing is purged there without a zone/, 'a location without a zone is refused');
ok(!$fine, 'by nginx -t');
done_testing;

# What clients get where no picture can be made: the original, or an error, and nothing that lasts.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use OwnNginx;
use Picture;

my $nginx = OwnNginx->new('imagefall');
my ($edge, $origin) = map { $nginx->port($_) } 0, 1;
my $images = "$FindBin::Bin/../tests/render/images";
my $photos = "$FindBin::Bin/../docker/demo/public/photos";
sub slurp { my ($file) = @_; open my $in, '<:raw', $file or die "$file: $!\n"; local $/; return scalar <$in> }

my $pass = "proxy_pass http://127.0.0.1:$origin; proxy_http_version 1.1;";
$nginx->write($nginx->conf(<<"_EOC_"));
    types { image/jpeg jpg; image/png png; image/gif gif; image/bmp bmp; image/tiff tif; image/webp webp; image/svg+xml svg svgz; }
    edge_zone main size=32m;
    edge_image_limit memory=512m queue=16 time=10s;
    server {
        listen 127.0.0.1:$edge;
        edge_image on;
        add_header X-Cache \$edge_cache_status always;
        location /kept/ { edge_cache main; edge_cache_valid 100s; $pass }
        location /error/ { edge_image_fallback error; $pass }
        location /cached-error/ { edge_image_fallback error; edge_cache main; edge_cache_valid 100s; $pass }
        location /original/ { $pass }
        location /tight/ { edge_image_fallback error; edge_image_limit source=20k; $pass }
        location /pixels/ { edge_image_fallback error; edge_image_limit pixels=10000; $pass }
        location = /status { edge_status; }
    }
    server {
        listen 127.0.0.1:$origin;
        location / { rewrite ^/[^/]*/(.*) /\$1 break; root $images; }
        location ~ ^/[^/]*/photos/(.*) { alias $photos/\$1; }
    }
_EOC_
$nginx->start($edge);

my %webp = (Accept => 'image/webp,*/*');
sub get { my ($target, %headers) = @_; return $nginx->request($edge, 'GET', $target, %webp, %headers) }
sub images { return decode_json($nginx->request($edge, 'GET', '/status')->{content})->{images} }
sub refused { my $refused = images()->{refused}; return join ' ', map { $refused->{$_} ? "$_=$refused->{$_}" : () } sort keys %$refused }

# --- what is damaged ---
is(get('/original/hostile/lie-65535x65535.png?preset=sm')->{content}, slurp("$images/hostile/lie-65535x65535.png"), 'the original');
is(get('/error/hostile/lie-65535x65535.png?preset=sm')->{status}, 422, 'or an error');
is(get('/error/hostile/truncated-half.jpg?preset=sm')->{status}, 422, 'half a picture is none');
is(get('/error/photos/dogs.jpg?preset=sm&page=5')->{status}, 404, 'a page that is not there');
is(get('/original/photos/dogs.jpg?preset=sm&page=5')->{status}, 404, 'which is no other page');
my %pages = map { get("/error/zstack-8p-grey16.tif?page=$_")->{content} => $_ } 0 .. 7;
is(scalar keys %pages, 8, 'each page of a TIFF is another picture');
is_deeply([grep { shape($_) ne 'webp 64x64' } keys %pages], [], 'all of them are pictures');
is($pages{get('/error/zstack-8p-grey16.tif')->{content}}, 0, 'without an argument it is the first');
for my $place ('error', 'original') {
    my $none = get("/$place/zstack-8p-grey16.tif?page=8");
    is("$none->{status} $none->{headers}{'content-type'}", '404 text/html', "$place: a page behind the last");
    is(get("/$place/zstack-8p-grey16.tif?page=-1")->{status}, 400, "$place: one before the first");
}
my $kept = '/kept/hostile/truncated-header.jpg?preset=sm';
is_deeply([map { get($kept)->{headers}{'x-cache'} } 1, 2], ['MISS', 'HIT'], 'what can\'t be rendered is not tried again');
is_deeply([map { get('/cached-error/hostile/truncated-header.jpg?preset=sm')->{headers}{'x-cache'} } 1, 2], ['MISS', 'MISS'], 'errors are not kept');

# --- limits ---
is(get('/tight/photos/dogs.jpg?preset=sm')->{content}, slurp("$photos/dogs.jpg"), 'more than source= goes out as it is');
is(picture(get('/tight/srgb.jpg?preset=sm')->{content})->{format}, 'webp', 'less does not');
is(get('/pixels/srgb.jpg?preset=sm')->{status}, 422, 'more than pixels=');
like(refused(), qr/\btoo_many_pixels=\d/, 'and why');

# --- every hostile file gives a picture, itself or an error, in time, in each of three ways ---
opendir my $dir, "$images/hostile" or die;
for my $name (sort grep { /\.(?:jpg|png|gif|bmp|tif|webp|avif|svgz?)$/ } readdir $dir) {
    my $bytes = slurp("$images/hostile/$name");
    for my $args ('?preset=sm', '?preset=xl&fm=jpeg', '') {
        my $began = time;
        my $answer = get("/original/hostile/$name$args");
        my $kind = $answer->{content} eq $bytes ? 'itself' : picture($answer->{content})->{format};
        ok($answer->{status} == 200 && $kind =~ /^(?:itself|webp|jpeg)$/ && time - $began < 20, "$name$args: 200, $kind")
            or diag("$answer->{status} $kind " . substr $answer->{content}, 0, 100);
    }
    my $answer = get("/error/hostile/$name?preset=sm");
    like($answer->{status}, qr/^(?:200|415|422|50[34])$/, "$name: a picture or a clear error");
}
closedir $dir;

$nginx->stop;
my @wrong = grep { /\[(?:alert|crit|emerg|error)\]/ } split /\n/, $nginx->log;
is_deeply(\@wrong, [], 'nothing is wrong in the log');

done_testing;

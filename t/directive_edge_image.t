# edge_image: which format and size of a picture a client gets, by what it accepts and asks for.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;
use Picture;

my $nginx = OwnNginx->new('image');
my ($edge, $origin) = map { $nginx->port($_) } 0, 1;
my $photos = "$FindBin::Bin/../docker/demo/public/photos";
my $images = "$FindBin::Bin/../tests/render/images";
my $files = $nginx->dir . '/html';
sub slurp { my ($file) = @_; open my $in, '<:raw', $file or die "$file: $!\n"; local $/; return scalar <$in> }
sub put { my ($name, $bytes) = @_; open my $out, '>:raw', "$files/$name" or die; print {$out} $bytes; close $out; chmod 0644, "$files/$name" }
put($_, slurp("$photos/$_")) for 'dogs.jpg';
put($_, slurp("$images/$_")) for 'srgb.jpg', 'alpha.png', 'anim.gif', 'palette.bmp', 'grey16-12bit.tif', 'gps-copyright.jpg';
put('page.html', '<p>a page</p>');
put('note.txt', 'a note');
put('drawing.svg', '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>');

my $types = 'types { image/jpeg jpg; image/png png; image/gif gif; image/bmp bmp; image/tiff tif; text/html html; text/plain txt; image/svg+xml svg; }';
my $pass = "proxy_pass http://127.0.0.1:$origin/; proxy_http_version 1.1;";
my $http = <<"_EOC_";
    $types
    add_header X-Format \$edge_image_format;
    add_header X-Time \$edge_image_time;
    server {
        listen 127.0.0.1:$edge;
        edge_image on;
        edge_image_limit time=60s;
        edge_image_args widths=10,100,200,1000;
        location /p/ { $pass }
        location /webp/ { edge_image_formats webp; $pass }
        location /webpfirst/ { edge_image_formats webp avif; $pass }
        location /none/ { edge_image_formats off; $pass }
        location /off/ { edge_image off; $pass }
        location /file/ { alias $files/; }
        location /octets/ { types {} default_type application/octet-stream; alias $files/; }
        location /untouched/ { $pass }
        location /range/ { edge_image_range type; location /range/fixed/ { edge_image_range 0 4095; $pass } $pass }
        location /copyright/ { edge_image_copyright on; $pass }
        location /still/ { edge_image_limit frames=23; $pass }
        location /named/ {
            edge_image_preset banner 400x100 cover north scientific;
            edge_image_preset sm 80x;
            edge_image_quality tiny jpeg=10;
            edge_image_preset poor 200x tiny;
            $pass
        }
    }
    server {
        listen 127.0.0.1:$origin;
        access_log @{[$nginx->dir]}/logs/origin.log;
        location / { root $files; }
        location /plain/ { alias $files/; add_header Cache-Control "max-age=60, no-transform"; }
    }
_EOC_
$nginx->write($nginx->conf($http =~ s/(location \/untouched\/ \{ )\Q$pass/$1@{[$pass =~ s{:$origin\/}{:$origin\/plain\/}r]}/r));
$nginx->start($edge);

my %browser = (Accept => 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8');
my %older = (Accept => 'image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5');
my %curl = (Accept => '*/*');
sub get { my ($target, %headers) = @_; return $nginx->request($edge, 'GET', $target, %headers) }

# gives($what, $target, \%accept, $shape, $type): the answer is such a picture, and says so.
sub gives {
    my ($what, $target, $accept, $shape, %more) = @_;
    my $answer = get($target, %$accept);
    is($answer->{status}, 200, "$what: 200");
    like(shape($answer->{content}), $shape, "$what: the picture");
    my ($format) = shape($answer->{content}) =~ /^(\w+)/;
    is($answer->{headers}{'content-type'}, "image/$format", "$what: the type");
    is($answer->{headers}{'content-length'}, length $answer->{content}, "$what: the length");
    is($answer->{headers}{vary}, $more{vary}, "$what: Vary");
    return $answer;
}

# --- formats ---
for my $place ('p', 'file') {
    gives("$place, a browser", "/$place/dogs.jpg?preset=sm", \%browser, qr/^avif 150x150$/, vary => 'Accept');
    gives("$place, an older browser", "/$place/dogs.jpg?preset=sm", \%older, qr/^webp 150x150$/, vary => 'Accept');
    gives("$place, anything goes", "/$place/dogs.jpg?preset=sm", \%curl, qr/^jpeg 150x150$/, vary => 'Accept');
    gives("$place, no Accept", "/$place/dogs.jpg?preset=sm", {}, qr/^jpeg 150x150$/, vary => 'Accept');
    gives("$place, fm=", "/$place/dogs.jpg?preset=sm&fm=webp", \%curl, qr/^webp 150x150$/);
    gives("$place, fm= over Accept", "/$place/dogs.jpg?preset=sm&fm=png", \%browser, qr/^png 150x150$/);
}
gives('one format configured', '/webp/dogs.jpg?preset=sm', \%browser, qr/^webp 150x150$/, vary => 'Accept');
gives('another order', '/webpfirst/dogs.jpg?preset=sm', \%browser, qr/^webp 150x150$/, vary => 'Accept');
gives('no formats', '/none/dogs.jpg?preset=sm', \%browser, qr/^jpeg 150x150$/);
gives('weights count', '/p/dogs.jpg?preset=sm', { Accept => 'image/avif;q=0.1,image/webp;q=0.2' }, qr/^webp 150x150$/, vary => 'Accept');
gives('the type is found in the bytes', '/octets/dogs.jpg?preset=sm', \%older, qr/^webp 150x150$/, vary => 'Accept');

# --- without arguments ---
my ($width, $height) = @{ picture(slurp("$photos/dogs.jpg")) }{qw(width height)};
my $whole = gives('the whole picture', '/p/dogs.jpg', \%older, qr/^webp ${width}x$height$/, vary => 'Accept');
cmp_ok(length $whole->{content}, '<', -s "$photos/dogs.jpg", 'the whole picture: fewer bytes');
is($whole->{headers}{'x-format'}, 'webp', '$edge_image_format');
like($whole->{headers}{'x-time'}, qr/^\d+\.\d{3}$/, '$edge_image_time');
for my $case (['no format in Accept', \%curl], ['somebody who opens it in a tab', { Accept => 'text/html,image/avif,image/webp,*/*;q=0.8' }]) {
    my ($what, $accept) = @$case;
    my $answer = get('/p/dogs.jpg', %$accept);
    is($answer->{content}, slurp("$photos/dogs.jpg"), "$what: the file as it is");
    is($answer->{headers}{vary}, 'Accept', "$what: Vary all the same");
    is($answer->{headers}{'x-format'}, undef, "$what: not by us");
}
is(get('/off/dogs.jpg?preset=sm&off=1', %browser)->{content}, slurp("$photos/dogs.jpg"), 'edge_image off');
is(get('/off/dogs.jpg', %browser)->{headers}{vary}, undef, 'edge_image off: no Vary');

# --- sizes ---
my $high = int(200 * $height / $width + 0.5);
gives('one side', '/p/dogs.jpg?w=200&fm=jpeg', \%curl, qr/^jpeg 200x$high$/);
gives('both sides, inside', '/p/dogs.jpg?w=200&h=100&fm=jpeg', \%curl, qr/^jpeg \d+x100$/);
gives('both sides, cover', '/p/dogs.jpg?w=200&h=100&fit=cover&fm=jpeg', \%curl, qr/^jpeg 200x100$/);
gives('device pixels', '/p/dogs.jpg?w=100&h=100&fit=cover&dpr=2&fm=jpeg', \%curl, qr/^jpeg 200x200$/);
gives('a preset of its own', '/named/dogs.jpg?preset=banner&fm=jpeg', \%curl, qr/^jpeg 400x100$/);
gives('a ready preset defined anew', '/named/dogs.jpg?preset=sm&fm=jpeg', \%curl, qr/^jpeg 80x\d+$/);
gives('another ready preset', '/named/dogs.jpg?preset=md&fm=jpeg', \%curl, qr/^jpeg 300x300$/);
cmp_ok(length get('/named/dogs.jpg?preset=poor&fm=jpeg')->{content}, '<', length(get('/named/dogs.jpg?w=200&fm=jpeg')->{content}) / 2, 'a quality of its own');

# --- what browsers do not show ---
gives('TIFF', '/p/grey16-12bit.tif', \%older, qr/^webp [1-9]\d*x[1-9]\d*$/, vary => 'Accept');
gives('TIFF for whom no format is known', '/p/grey16-12bit.tif?preset=sm', \%curl, qr/^jpeg \d+x\d+$/, vary => 'Accept');
gives('BMP', '/p/palette.bmp?preset=sm', \%older, qr/^webp \d+x\d+$/, vary => 'Accept');

my %grey = map { $_ => length gives("TIFF, range $_", "/$_/grey16-12bit.tif?fm=png", \%curl, qr/^png [1-9]\d*x[1-9]\d*$/)->{content} } 'p', 'range', 'range/fixed';
cmp_ok($grey{range}, '<', $grey{$_} / 2, "12 bits by their type are nearly black, not so under $_") for 'p', 'range/fixed';

# --- animations ---
is(picture(gives('an animation', '/p/anim.gif?w=10', \%older, qr/^webp 10x18$/, vary => 'Accept')->{content})->{frames}, 24, 'stays one');
is(picture(gives('with too many frames', '/still/anim.gif?w=10', \%older, qr/^webp 10x18$/, vary => 'Accept')->{content})->{frames}, 0, 'gives its first');

# --- parts of a picture ---
my %parts = map { $_ => gives("gravity=$_", "/p/dogs.jpg?preset=sm&gravity=$_&fm=png", \%curl, qr/^png 150x150$/)->{content} } qw(north center south attention);
isnt($parts{$_->[0]}, $parts{$_->[1]}, "$_->[0] is not $_->[1]") for ['north', 'center'], ['center', 'south'], ['south', 'north'], ['attention', 'center'];

# --- metadata ---
my ($with, $without) = map { gives("metadata, $_", "/$_/gps-copyright.jpg?w=200&fm=jpeg", \%curl, qr/^jpeg 200x\d+$/)->{content} } 'copyright', 'p';
like($with, qr/CC-BY-4\.0/, 'the copyright is kept on request');
unlike($without, qr/CC-BY-4\.0|Exif/, 'nothing is otherwise');

# --- what is no picture, or not to be touched ---
for my $name ('page.html', 'note.txt', 'drawing.svg') {
    for my $place ('p', 'file') {
        my $answer = get("/$place/$name?preset=sm", %browser);
        is($answer->{status}, 200, "/$place/$name: 200");
        is($answer->{content}, slurp("$files/$name"), "/$place/$name as it is");
    }
}
is(get('/p/page.html')->{headers}{vary}, undef, 'no Vary on what is no picture');
my $untouched = get('/untouched/dogs.jpg?preset=sm', %browser);
is($untouched->{content}, slurp("$photos/dogs.jpg"), 'no-transform');
for my $place ('p', 'file') {
    is(get("/$place/nothing.jpg?preset=sm", %browser)->{status}, 404, "/$place: what is not there");
}

# --- the client's conditions ---
my $first = get('/p/dogs.jpg?preset=md', %older);
like($first->{headers}{etag}, qr/^"[0-9a-f]{32}"$/, 'an ETag of its own');
isnt($first->{headers}{etag}, get('/p/dogs.jpg?preset=md', %browser)->{headers}{etag}, 'another one for another format');
is(get('/p/dogs.jpg?preset=md', %older, 'If-None-Match' => $first->{headers}{etag})->{status}, 304, 'If-None-Match');
is(get('/p/dogs.jpg?preset=md', %older, 'If-None-Match' => '"other"')->{status}, 200, 'If-None-Match with another');
ok($first->{headers}{'last-modified'}, 'Last-Modified is the source\'s');
my $head = $nginx->request($edge, 'HEAD', '/p/dogs.jpg?preset=md', %older);
is($head->{headers}{'content-length'}, length $first->{content}, 'HEAD: the length');
is($head->{headers}{'content-type'}, 'image/webp', 'HEAD: the type');
my $part = get('/p/dogs.jpg?preset=md', %older, Range => 'bytes=10-19');
is($part->{status}, 206, 'Range: 206');
is($part->{content}, substr($first->{content}, 10, 10), 'Range: the bytes');

# --- the origin ---
open my $log, '<', $nginx->dir . '/logs/origin.log' or die;
my @seen = <$log>;
ok(@seen > 10, 'the origin was asked');
my @with = map { /"GET (\S+)/ } grep { /[?&](?:preset|w|h|fm|fit|dpr)=/ } @seen;
is_deeply(\@with, ['/dogs.jpg?preset=sm&off=1'], 'the origin saw our arguments only where they are not ours');
$nginx->stop;
unlike($nginx->log, qr/\[(?:alert|crit|emerg|error)\](?!.*open\(\).*failed)/, 'nothing is wrong in the log');

done_testing;

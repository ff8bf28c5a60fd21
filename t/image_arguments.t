# The edge's own arguments: what is refused, signatures, names with a prefix, what the origin sees.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex);
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;
use Picture;

my $nginx = OwnNginx->new('imageargs');
my ($edge, $origin) = map { $nginx->port($_) } 0, 1;
my @keys = ('the newest key of the two', 'the key before that one');
my $secrets = $nginx->dir . '/secrets';
open my $out, '>', $secrets or die;
print {$out} "# newest first\n$keys[0]\n$keys[1]\n";
close $out;

my $pass = "proxy_pass http://127.0.0.1:$origin; proxy_http_version 1.1;";
$nginx->write($nginx->conf(<<"_EOC_"));
    types { image/jpeg jpg; }
    log_format seen '\$request_uri';
    log_format client '\$request_uri \$args';
    server {
        listen 127.0.0.1:$edge;
        access_log @{[$nginx->dir]}/logs/client.log client;
        edge_image on;
        edge_image_limit time=60s;
        edge_image_formats off;
        location /plain/ { $pass }
        location /widths/ { edge_image_args widths=64,128; $pass }
        location /prefixed/ { edge_image_args prefix=e_ widths=64; $pass }
        location /signed/ { edge_image_sign secret_file=$secrets; $pass }
        location /unsigned/ { edge_image_sign secret_file=$secrets; location /unsigned/off/ { edge_image_sign off; $pass } }
        location /rewritten/ { rewrite ^/rewritten/(.*) /plain/\$1?from=rewrite break; $pass }
    }
    server {
        listen 127.0.0.1:$origin;
        access_log @{[$nginx->dir]}/logs/origin.log seen;
        location / { rewrite ^/.*/(.*) /\$1 break; root $FindBin::Bin/../docker/demo/public/photos; }
    }
_EOC_
$nginx->start($edge);

sub get { my ($target, %headers) = @_; return $nginx->request($edge, 'GET', $target, %headers) }
sub lines { my ($name) = @_; open my $in, '<', $nginx->dir . "/logs/$name.log" or return (); chomp(my @lines = <$in>); return @lines }
sub sign { my ($target, $key) = @_; return $target . ($target =~ /\?/ ? '&' : '?') . 'sig=' . hmac_sha256_hex($target, $key) }

sub refused {
    my ($target, $status, $reason, $what) = @_;
    my $asked = () = lines('origin');
    my $answer = get($target);
    is($answer->{status}, $status, "$what: $status");
    is($answer->{content}, "$reason\n", "$what: the reason");
    is($answer->{headers}{'content-type'}, 'text/plain', "$what: as text");
    is(scalar(() = lines('origin')), $asked, "$what: the origin is not asked");
}
sub served {
    my ($target, $shape, $what) = @_;
    my $answer = get($target);
    is("$answer->{status} " . shape($answer->{content}), "200 $shape", $what);
}

refused('/plain/dogs.jpg?w=0', 400, 'w: expected 1 to 16384', 'a bad number');
refused('/plain/dogs.jpg?w=abc', 400, 'w: expected 1 to 16384', 'no number');
refused('/plain/dogs.jpg?preset=sm&preset=md', 400, 'preset: given twice', 'a name twice');
refused('/plain/dogs.jpg?preset=huge', 400, 'preset: expected one of lg, md, sm, xl', 'an unknown preset');
refused('/plain/dogs.jpg?fit=crop', 400, 'fit: expected inside, cover, contain, outside or fill', 'an unknown fit');
refused('/plain/dogs.jpg?w=64', 400, 'w: this size needs a signature or a preset', 'a size without signature');
refused('/widths/dogs.jpg?w=65', 400, 'w: this size needs a signature or a preset', 'a size not listed');
refused('/widths/dogs.jpg?w=64&h=65', 400, 'h: this size needs a signature or a preset', 'a height not listed');
refused('/widths/dogs.jpg?w=64&q=50', 400, 'q: needs a signature', 'a quality without signature');
refused('/plain/dogs.jpg?preset=sm&sig=00', 400, 'sig: no signatures here', 'a signature where none is known');
refused('/prefixed/dogs.jpg?e_w=1', 400, 'e_w: this size needs a signature or a preset', 'the reason names the prefix');
served('/widths/dogs.jpg?w=64&h=64&fit=cover', 'jpeg 64x64', 'listed sizes');
served('/plain/dogs.jpg?preset=sm', 'jpeg 150x150', 'a preset');
served('/prefixed/dogs.jpg?e_preset=sm&preset=none&w=oops&page=two', 'jpeg 150x150', 'with a prefix the plain names are the app\'s');
is(get('/prefixed/dogs.jpg?w=64')->{headers}{'content-length'}, -s "$FindBin::Bin/../docker/demo/public/photos/dogs.jpg", 'with a prefix plain names change nothing');

# --- signatures ---
my $target = '/signed/dogs.jpg?w=77&h=99&fit=fill&q=30';
served(sign($target, $keys[0]), 'jpeg 77x99', 'signed with the newest key');
served(sign($target, $keys[1]), 'jpeg 77x99', 'signed with the key before');
served(sign("$target&v=1", $keys[0]) . '', 'jpeg 77x99', 'the app\'s arguments are signed too');
refused(sign($target, 'another key of some length'), 403, 'sig: wrong', 'another key');
refused(sign($target, $keys[0]) =~ s/w=77/w=78/r, 403, 'sig: wrong', 'another size');
refused(sign($target, $keys[0]) =~ s/dogs/stream/r, 403, 'sig: wrong', 'another picture');
refused("$target&sig=" . substr(hmac_sha256_hex($target, $keys[0]), 0, 63), 403, 'sig: wrong', 'a shorter signature');
my ($past, $future) = map { "$target&exp=" . (time + $_) } -1, 600;
served(sign($future, $keys[0]), 'jpeg 77x99', 'in time');
refused(sign($past, $keys[0]), 403, 'sig: expired', 'too late');
refused(sign($past, $keys[0]) =~ s/exp=\d+/'exp=' . (time + 600)/er, 403, 'sig: wrong', 'a time of one\'s own');
refused('/signed/dogs.jpg?w=77', 400, 'w: this size needs a signature or a preset', 'no signature');
served('/signed/dogs.jpg?preset=sm', 'jpeg 150x150', 'presets need none');
my @padded = map { sign("/signed/dogs.jpg?w=90&h=90&fit=contain&fm=png&bg=$_", $keys[0]) } 'f00', '00ff00';
served($_, 'png 90x90', 'a background') for @padded;
isnt(get($padded[0])->{content}, get($padded[1])->{content}, 'of the colour asked for');
refused('/signed/dogs.jpg?preset=sm&bg=f00', 400, 'bg: needs a signature', 'which needs a signature');
refused(sign('/unsigned/off/dogs.jpg?w=77', $keys[0]), 400, 'sig: no signatures here', 'signatures switched off');

# --- what the origin and the log see ---
sub seen { my ($target) = @_; get($target); return (lines('origin'))[-1] }
is(seen('/plain/dogs.jpg?a=1&preset=sm&b=2&&c'), '/plain/dogs.jpg?a=1&b=2&&c', 'the app\'s arguments stay as they are');
is(seen('/plain/dogs.jpg?preset=sm'), '/plain/dogs.jpg', 'no empty query');
is(seen('/plain/dogs.jpg?fm=original'), '/plain/dogs.jpg', 'also where nothing is changed');
is(seen('/plain/dogs.jpg?a=1&&b'), '/plain/dogs.jpg?a=1&&b', 'a query without ours is not touched');
is(seen('/plain/a%20b.jpg?preset=sm&x=%2f'), '/plain/a%20b.jpg?x=%2f', 'nor what is encoded');
is(seen('/prefixed/dogs.jpg?w=1&e_w=64'), '/prefixed/dogs.jpg?w=1', 'with a prefix the plain names are passed on');
is(seen(sign('/signed/dogs.jpg?w=77&v=1&exp=' . (time + 60), $keys[0])), '/signed/dogs.jpg?v=1', 'nor the signature and its time');
like(seen('/rewritten/dogs.jpg?preset=sm'), qr{^/plain/dogs.jpg\?from=rewrite&?$}, 'after a rewrite');
$nginx->stop;
my ($logged) = grep { m{^/plain/dogs.jpg\?a=1&preset} } lines('client');
is($logged, '/plain/dogs.jpg?a=1&preset=sm&b=2&&c a=1&preset=sm&b=2&&c', 'the access log has what the client sent');
my @wrong = grep { /\[(?:alert|crit|emerg|error|warn)\]/ && !/a b\.jpg" failed/ } split /\n/, $nginx->log;
is_deeply(\@wrong, [], 'nothing is wrong in the log');

done_testing;

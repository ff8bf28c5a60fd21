# try_files, rewrite, named locations, error_page and X-Accel-Redirect: what is stored under a URL is the origin's answer
# to that URL, nothing that an error page or an app's redirect led to.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('redirects');
my ($edge, $app, $dead) = map { $nginx->port($_) } 0, 1, 2;
my $root = $nginx->dir . '/html';
for (['there.txt', "a file\n"], ['50x.html', "sorry\n"], ['protected.txt', "for some only\n"], ['missing.html', "no such page\n"]) {
    my ($name, $text) = @$_;
    open my $out, '>', "$root/$name" or die "$name: $!\n";
    print {$out} $text;
    close $out;
}
my $pass = "proxy_pass http://127.0.0.1:$app; proxy_http_version 1.1;";
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=8m;
    add_header X-Cache \$edge_cache_status always;
    server {
        listen 127.0.0.1:$edge;
        root $root;
        edge_cache main;
        location / { $pass }
        location /edge_off/ { edge_cache off; $pass }

        location /files/ { alias $root/; try_files \$uri \@app; }
        location \@app { $pass }
        location /plain/ { edge_cache off; root $root; try_files \$uri \@app; }
        location /index/ { try_files /none /front; }
        location = /front { internal; $pass }
        location /rewritten/ { rewrite ^/rewritten/(.*) /target/\$1 last; }
        location /broken/ { rewrite ^/broken/(.*) /target/\$1 break; $pass }

        location /404/ { proxy_intercept_errors on; error_page 404 = /fallback; $pass }
        location /404-named/ { proxy_intercept_errors on; error_page 404 = \@fallback; recursive_error_pages on; $pass }
        location /404-static/ { proxy_intercept_errors on; error_page 404 /missing.html; $pass }
        location /404-return/ { proxy_intercept_errors on; error_page 404 = /returned; $pass }
        location = /fallback { internal; $pass }
        location \@fallback { $pass }
        location = /returned { internal; return 200 "returned\\n"; }

        location /internal/proxied { internal; $pass }
        location /internal/file { internal; alias $root/protected.txt; }
        location /internal/return { internal; return 200 "for some only\\n"; }
        location /internal/uncached { internal; edge_cache off; $pass }
        location \@accel { $pass }
        location = /missing.html { }
    }
    server {
        listen 127.0.0.1:$dead;
        root $root;
        error_page 500 502 503 504 /50x.html;
        location = /50x.html { }
        edge_cache main;
        edge_cache_stale if_error=1h;
        location / { $pass }
        location /intercepted/ { proxy_intercept_errors on; $pass }
        location /named/ { error_page 500 502 503 504 = \@sorry; proxy_intercept_errors on; $pass }
        location \@sorry { return 200 "sorry\\n"; }
        location /recursive/ { error_page 502 503 = /recursive2/; recursive_error_pages on; proxy_intercept_errors on; $pass }
        location /recursive2/ { proxy_pass http://127.0.0.1:1; }
    }
EOC
origin($app, sub {
    my ($socket, $head) = @_;
    my ($path) = $head =~ /^\S+ (\S+)/;
    my $turn = requests($path);
    my @fresh = ('Cache-Control: public, max-age=' . ($path =~ /short/ ? 1 : 60));
    my $mode = $head =~ /^X-Mode: (\S+)/mi ? $1 : '';
    my $accel = $head =~ /^X-Accel: (\S+)/mi ? $1 : '';
    if ($mode eq 'close') { return 1 }
    if ($mode =~ /^(404|500|503)$/) {
        (my $answer = plain("origin's $mode", @fresh)) =~ s/200 OK/$mode Error/;
        syswrite $socket, $answer;
    } elsif ($accel ne '' && $path !~ m{^/internal}) {
        syswrite $socket, plain('to be replaced', @fresh, "X-Accel-Redirect: $accel");
    } else {
        syswrite $socket, plain("$path $turn", @fresh);
    }
    return 0;
}, $nginx->dir);
$nginx->start($edge);

sub twice { return map { ask(@_) } 1, 2 }
sub caches { return join ' ', map { $_->cache } @_ }
sub bodies { return join '|', map { $_->body } @_ }

# try_files
{
    my @answers = twice($edge, 'GET /files/there.txt');
    is(bodies(@answers), "a file\n|a file\n", 'try_files: a file that is there');
    is($answers[1]->field('Age'), undef, 'is not stored');
    @answers = twice($edge, 'GET /files/absent');
    is(bodies(@answers), '/files/absent 1|/files/absent 1', 'the fallback to a named location is cached');
    is(caches(@answers), 'MISS HIT', 'and a hit says so');
    open my $late, '>', "$root/absent" or die;
    print {$late} 'now a file';
    close $late;
    is(ask($edge, 'GET /files/absent')->body, '/files/absent 1', 'a hit runs before try_files');
    unlink "$root/absent";
    is(caches(twice($edge, 'GET /plain/absent')), 'MISS HIT', 'also when only the named location has edge_cache');
    is(caches(twice($edge, 'GET /index/a')), 'MISS HIT', 'a fallback to a URI is stored under what the client asked for');
    is(ask($edge, 'GET /index/b')->body, '/front 2', 'and not for another URL that falls back to the same');
}
# rewrite
{
    my @answers = (twice($edge, 'GET /rewritten/a?x=1'), ask($edge, 'GET /target/a?x=1'));
    is(caches(@answers), 'MISS HIT MISS', 'rewrite last: the key is what the client asked for');
    is(bodies(@answers), '/target/a?x=1 1|/target/a?x=1 1|/target/a?x=1 2', 'the answer is that of the new URI');
    is(caches(twice($edge, 'GET /broken/b')), 'MISS HIT', 'rewrite break too');
}
# error_page
{
    my @answers = (ask($edge, 'GET /404/a', 'X-Mode: 404'), ask($edge, 'GET /404/a'), ask($edge, 'GET /404/a'));
    is(bodies(@answers), "origin's 404|/404/a 2|/404/a 2", 'error_page 404 = /fallback: not stored under the first URL');
    is($answers[1]->cache . $answers[2]->cache, 'MISSHIT', 'which is cached when it has an answer of its own');
    # The fallback answers 200 this time: the mode is only for the first path.
    for my $path (qw(/404-named/ /404-static/ /404-return/)) {
        my ($first, $second, $third) = (ask($edge, "GET ${path}x", 'X-Mode: 404'), ask($edge, "GET ${path}x"), ask($edge, "GET ${path}x"));
        is(caches($second, $third), 'MISS HIT', "error_page in $path: nothing was stored under the first URL");
        like($second->body, qr{^\Q$path\Ex 2|^\Q$path\Ex 3}, 'the origin is asked for it again');
    }
    is(ask($edge, 'GET /404-return/y', 'X-Mode: 404')->body, "returned\n", 'the error page itself is sent');
}
# X-Accel-Redirect
for my $target ('/internal/proxied', '/internal/file', '/internal/return', '/internal/uncached', '@accel', '/edge_off/x') {
    (my $name = $target) =~ s/\W//g;
    my $first = ask($edge, "GET /accel/$name", "X-Accel: $target");
    isnt($first->body, 'to be replaced', "X-Accel-Redirect to $target is followed");
    my $second = ask($edge, "GET /accel/$name");
    is($second->cache, 'MISS', 'and its answer is not stored under the first URL');
    like($second->body, qr{^/accel/$name \d+$}, 'the app decides for each request');
    like(ask($edge, "GET /accel/$name")->cache, qr/HIT/, 'what it answers itself is stored');
    # What is stored stands; the app is not asked.
    is(ask($edge, "GET /accel/$name", "X-Accel: $target")->cache, 'HIT', 'and answers from then on');
}
is(ask($edge, 'GET /internal/proxied')->status, 404, 'an internal location cannot be asked for');
{
    ask($edge, 'GET /written');
    is(ask($edge, 'GET /written')->cache, 'HIT', 'stored before a write');
    ask($edge, 'POST /written', 'X-Accel: /internal/return', 'Content-Length: 0');
    is(ask($edge, 'GET /written')->cache, 'MISS', 'a write answered by X-Accel-Redirect invalidates');
    ask($edge, 'POST /written', 'X-Accel: /internal/file', 'Content-Length: 0');
    is(ask($edge, 'GET /written')->cache, 'MISS', 'whatever it leads to');
}
# stale-if-error with the stock error_page
my @paths = qw(/short/ /intercepted/short /named/short /recursive/short);
ask($dead, "GET $_") for @paths;
ask($dead, 'GET /short/gone'), sleep 2;
for my $path (@paths) {
    for my $mode (qw(500 503 close)) {
        my $stale = ask($dead, "GET $path", "X-Mode: $mode");
        is($stale->status . $stale->cache, '200STALE', "stale-if-error answers $path in place of $mode and its error page");
        like($stale->body, qr{^\Q$path\E 1$}, 'with the stored body, and nothing else');
        is($stale->field('Content-Length'), length $stale->body, 'and its length');
        is($stale->field('Content-Type'), undef, 'not the type of the error page');
    }
    my $head = ask($dead, "HEAD $path", 'X-Mode: 503');
    is($head->status . $head->cache, '200STALE', 'HEAD likewise');
}
{
    my $answer = ask($dead, 'GET /short/other', 'X-Mode: close');
    is($answer->status . $answer->body, "502sorry\n", 'without a stored answer the error page is sent');
    is(ask($dead, 'GET /short/other')->cache, 'MISS', 'and not stored');
}
$nginx->stop;
unlike($nginx->log, qr/\[(crit|alert|emerg)\]|exited on signal/, 'nothing broke');
done_testing;

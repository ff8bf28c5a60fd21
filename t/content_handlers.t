# edge_cache works with any content handler: answers of FastCGI, uwsgi and SCGI upstreams are cached like those of
# proxy_pass; static files, return and autoindex pass untouched.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use Test::More;
use OwnNginx;
use Wire;

my $nginx = OwnNginx->new('handlers');
my ($edge, $fastcgi, $scgi, $uwsgi) = map { $nginx->port($_) } 0 .. 3;
my $root = $nginx->dir . '/html';
my $text = join '', map { sprintf "%07d\n", $_ } 1 .. 20_000;
for (['file.txt', $text], ['empty.txt', ''], ['index.html', "index\n"]) {
    open my $out, '>', "$root/$_->[0]" or die;
    print {$out} $_->[1];
    close $out;
}
$nginx->write($nginx->conf(<<"EOC"));
    edge_zone main size=8m;
    add_header X-Cache \$edge_cache_status always;
    server {
        listen 127.0.0.1:$edge;
        edge_cache main;
        edge_cache_valid any 1h;
        root $root;
        location / { }
        location /list/ { alias $root/; autoindex on; index none; }
        location /return { add_header Cache-Control max-age=60; return 200 "\$request_id\\n"; }
        location /moved { return 301 /elsewhere; }
        location /stub { stub_status; }
        location /if { if (\$arg_x) { return 200 "if\\n"; } }
        location /f/ { fastcgi_pass 127.0.0.1:$fastcgi; fastcgi_param REQUEST_URI \$request_uri; fastcgi_param REQUEST_METHOD \$request_method; }
        location /f/limited/ { limit_rate 50m; fastcgi_pass 127.0.0.1:$fastcgi; fastcgi_param REQUEST_URI \$request_uri; fastcgi_param REQUEST_METHOD \$request_method; }
        location /f/kept/ { fastcgi_keep_conn on; fastcgi_pass 127.0.0.1:$fastcgi; fastcgi_param REQUEST_URI \$request_uri; fastcgi_param REQUEST_METHOD \$request_method; }
        location /f/unbuffered/ { fastcgi_buffering off; fastcgi_pass 127.0.0.1:$fastcgi; fastcgi_param REQUEST_URI \$request_uri; fastcgi_param REQUEST_METHOD \$request_method; }
        location /s/ { scgi_pass 127.0.0.1:$scgi; scgi_param REQUEST_URI \$request_uri; }
        location /u/ { uwsgi_pass 127.0.0.1:$uwsgi; uwsgi_param REQUEST_URI \$request_uri; }
        location = /edge_status { edge_status json; }
    }
EOC

my $turns = $nginx->dir . '/turns';
sub turn {
    my ($path) = @_;
    open my $log, '>>', $turns or die;
    syswrite $log, "$path\n";
    close $log;
    open my $in, '<', $turns or die;
    return scalar grep { $_ eq "$path\n" } <$in>;
}

# A server that reads something and writes $answer->(what it read), then closes.
my @servers;
sub server {
    my ($port, $answer) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1) or die "port $port: $!\n";
    my $pid = fork // die;
    if ($pid) { push @servers, $pid; return }
    $SIG{PIPE} = 'IGNORE';
    while (my $socket = $listener->accept) {
        my $request = '';
        while ($request !~ m{/[suf]/[\w/]*}) { sysread $socket, $request, 65536, length $request or last }
        my ($path) = $request =~ m{(/[suf]/[\w/]*)};
        $answer->($socket, $path, turn($path), $request);
        close $socket;
    }
    POSIX::_exit(0);
}
END { my $status = $?; kill 'TERM', @servers if @servers; $? = $status }

sub record { my ($type, $data) = @_; return pack('CCnnCC', 1, $type, 1, length $data, 0, 0) . $data }
my $long = join '', map { sprintf "%07d ", $_ } 1 .. 30_000;
server($fastcgi, sub {
    my ($socket, $path, $turn) = @_;
    my $head = "Cache-Control: max-age=" . ($path =~ /short/ ? 1 : 60) . "\r\nContent-Type: text/plain\r\nETag: \"1\"\r\n";
    my $body = $path =~ /long/ ? $long : "fastcgi $turn";
    $head .= 'Content-Length: ' . length($body) . "\r\n" if $path =~ /length/;
    $head = "Status: 304 Not Modified\r\n$head" if $path =~ /short/ && $turn > 1;
    $body = '' if $path =~ /short/ && $turn > 1;
    my $out = "$head\r\n$body";
    my $stream = '';
    for (my $at = 0; $at < length $out; $at += 20_000) { $stream .= record(6, substr $out, $at, 20_000) }
    $stream = substr $stream, 0, length($stream) / 2 if $path =~ /cut/;
    $stream .= record(6, '') . record(3, pack 'NCCCC', 0, 0, 0, 0, 0) unless $path =~ /cut|noend/;
    send_all($socket, $stream);
});
server($scgi, sub {
    my ($socket, $path, $turn) = @_;
    my $length = $path =~ /length/ ? "Content-Length: 6\r\n" : '';
    send_all($socket, "Status: 200 OK\r\nCache-Control: max-age=60\r\n$length\r\nscgi $turn");
});
server($uwsgi, sub {
    my ($socket, $path, $turn) = @_;
    my $length = $path =~ /length/ ? "Content-Length: 7\r\n" : '';
    send_all($socket, "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n$length\r\nuwsgi $turn");
});
$nginx->start($edge);

sub twice { return map { ask($edge, "GET $_[0]", @_[1 .. $#_]) } 1, 2 }

# What is no upstream's
{
    for my $path ('/file.txt', '/empty.txt', '/', '/list/', '/moved', '/stub', '/if?x=1', '/none') {
        my ($first, $second) = twice($path);
        # return and if come before the cache is asked.
        like($second->cache, qr/^(MISS)?$/, "$path: not stored, whatever edge_cache_valid says");
        is($second->field('Age'), undef, 'nor answered from memory');
        is($second->status, $first->status, 'and as without the cache');
    }
    my ($file) = twice('/file.txt');
    is($file->body, $text, 'a file is whole');
    ok($file->field('ETag') && $file->field('Last-Modified') && $file->field('Accept-Ranges'), 'with its fields');
    is(ask($edge, 'GET /file.txt', 'If-None-Match: ' . $file->field('ETag'))->status, 304, 'its conditions are nginx\'s');
    is(ask($edge, 'GET /file.txt', 'Range: bytes=8-15')->body, "0000002\n", 'its ranges too');
    my $parts = ask($edge, 'GET /file.txt', 'Range: bytes=0-7,16-23');
    is($parts->status, 206, 'several of them');
    like($parts->body, qr/0000001\n.*0000003\n/s, 'in parts');
    is(ask($edge, 'HEAD /file.txt')->field('Content-Length'), length $text, 'HEAD tells its length');
    my ($one, $two) = twice('/return');
    isnt($one->body, $two->body, 'return is asked each time');
    is(ask($edge, 'GET /moved')->field('Location'), "http://a.test:$edge/elsewhere", 'a redirect is nginx\'s own');
}
# FastCGI
for my $place ('/f/', '/f/unbuffered/', '/f/limited/', '/f/kept/') {
    for my $kind (qw(a length)) {
        my ($miss, $hit) = twice("$place$kind");
        is($miss->cache . $hit->cache . $hit->body, 'MISSHITfastcgi 1', "$place$kind: FastCGI answers are cached");
        is($hit->field('Content-Type'), 'text/plain', 'with their fields');
    }
    my ($miss, $hit) = twice("${place}long");
    ok($miss->body eq $long && $hit->body eq $long && $hit->cache eq 'HIT', 'long ones whole');
    is(ask($edge, "GET ${place}long", 'Range: bytes=8-15')->body, '0000002 ', 'and in parts');
    for my $kind (qw(cut longcut lengthcut longnoend)) {
        my ($first, $second) = twice("$place$kind");
        isnt($second->cache, 'HIT', "$place$kind: without its end it is not stored");
    }
}
ask($edge, 'GET /f/short');
sleep 2;
{
    my $answer = ask($edge, 'GET /f/short');
    is($answer->cache . $answer->body, 'REVALIDATEDfastcgi 1', 'FastCGI: validated with the ETag');
    is(ask($edge, 'POST /f/short', 'Content-Length: 0')->cache, 'PASS', 'a write passes');
}
# SCGI and uwsgi have no framing of their own.
for my $row (['/s/length', 'scgi 1', 'HIT'], ['/u/length', 'uwsgi 1', 'HIT'], ['/s/open', 'scgi 2', 'MISS'], ['/u/open', 'uwsgi 2', 'MISS']) {
    my ($path, $body, $cache) = @$row;
    my ($first, $second) = twice($path);
    is($second->cache . $second->body, $cache . $body, $cache eq 'HIT' ? "$path: cached" : "$path: without Content-Length its end is not known");
}
$nginx->stop;
unlike($nginx->log, qr/\[(crit|alert|emerg)\]|exited on signal/, 'nothing broke');
done_testing;

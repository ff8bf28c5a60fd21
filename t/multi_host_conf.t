# nginx-conf/multi-host.conf as shipped: nginx accepts it, and two of it share what the app said once; without Redis both go on.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);
use OwnNginx;
use Wire ();

my $file = "$FindBin::Bin/../nginx-conf/multi-host.conf";
open my $in, '<', $file or die "$file: $!\n";
my $shipped = do { local $/; <$in> };

my @hosts = map { OwnNginx->new("multi-host-$_") } 0, 1;
my ($origin, $redis, @ports) = map { $hosts[0]->port($_) } 0 .. 3;
my $count = "$ENV{TEST_NGINX_SERVROOT}-multi-host-0/logs/origin.log";

sub conf {
    my ($host, $port, $more) = @_;
    (my $here = $shipped) =~ s/^http \{\n/"http {\n" . $host->own_paths . "\n"/me or die "no http block\n";
    $here =~ s/listen 8080;/listen 127.0.0.1:$port;/ or die "no listen\n";
    $here =~ s/127\.0\.0\.1:3000;/127.0.0.1:$origin;/ or die "no app\n";
    $here =~ s/127\.0\.0\.1:6379;/127.0.0.1:$redis;/ or die "no Redis\n";
    $here =~ s/\}\s*\z/$more\n}\n/;
    return $here;
}

my $directory = $hosts[0]->dir . '/redis';
mkdir $directory;
my $server;
sub start_redis {
    $server = fork // die "fork: $!\n";
    if (!$server) {
        open STDOUT, '>>', "$directory/output.log";
        open STDERR, '>&', \*STDOUT;
        exec 'redis-server', '--port', $redis, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', $directory
            or die "redis-server: $!\n";
    }
    my $end = time + 10;
    until (IO::Socket::INET->new("127.0.0.1:$redis")) {
        die "redis-server does not start\n" if time > $end;
        sleep 0.05;
    }
}
sub stop_redis {
    return unless $server;
    kill 'KILL', $server;
    my $status = $?;
    waitpid $server, 0;
    $? = $status;
    $server = 0;
}
END { stop_redis() }

$hosts[0]->write($shipped =~ s/^http \{\n/"http {\n" . $hosts[0]->own_paths . "\n"/mer);
my ($accepted, $output) = $hosts[0]->check;
ok($accepted, 'nginx accepts it') or diag($output);

start_redis();
my $app = "server { listen 127.0.0.1:$origin; access_log $count; location / { add_header Cache-Control \"max-age=60\"; return 200 \"\$request_id\\n\"; } }";
for my $n (0, 1) {
    $hosts[$n]->write(conf($hosts[$n], $ports[$n], $n ? '' : $app));
    $hosts[$n]->start($ports[$n]);
}
# The key holds host and port of the URL: clients know one name for both.
sub get { my ($n, $path) = @_; return Wire::ask($ports[$n], "GET $path", 'Host: shop.test') }

my $first = get(0, '/a');
is($first->field('Cache-Status'), 'edge; fwd=uri-miss; fwd-status=200; stored; ttl=60', 'the first host asks the app');
# What goes to Redis behind the answer may be there a moment later than it.
my $end = time + 5;
sleep 0.05 until decode_json(get(0, '/edge_status')->body)->{cache}{redis}{stored} || time > $end;
sleep 0.05;
my $second = get(1, '/a');
like($second->field('Cache-Status'), qr/^edge; hit; ttl=\d+; detail=redis$/, 'the second one does not');
is($second->body, $first->body, 'and has the same');
my $page = decode_json(get(1, '/edge_status')->body);
is($page->{cache}{redis}{hit}, 1, 'its status page says so');
is($page->{redis}{nodes}[0]{name}, "127.0.0.1:$redis", 'and what Redis it has');

stop_redis();
for my $n (0, 1) {
    my $answer = get($n, '/away');
    is($answer->status, 200, "without Redis host $n answers");
    like(get($n, '/away')->field('Cache-Status'), qr/^edge; hit; ttl=\d+$/, 'from its own zone');
}
$_->stop for @hosts;
unlike($_->log, qr/\[(crit|alert|emerg)\]/, 'the error log has nothing worse than what became of Redis') for @hosts;
like($hosts[0]->log, qr/edge: redis 127\.0\.0\.1:$redis: /, 'and that it has');
done_testing;

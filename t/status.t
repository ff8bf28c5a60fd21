# edge_status: the counters move as requests are answered, and both pages can be read by machines.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);
use OwnNginx;


my $nginx = OwnNginx->new('status');
my ($edge, $origin) = map { $nginx->port($_) } 0, 1;

my $cached = "edge_cache main; proxy_pass http://127.0.0.1:$origin/; proxy_http_version 1.1;";
my $http = <<"_EOC_";
    edge_zone main size=8m max_object=64k;
    edge_zone "second \\"zone\\"" size=2m;
    server {
        listen 127.0.0.1:$edge;
        edge_cache main;
        location /p/ { $cached }
        location /stale/ { $cached edge_cache_stale if_error=1h; }
        location /updating/ { $cached edge_cache_stale while_revalidate=1h; }
        location /uses/ { $cached edge_cache_min_uses 2; }
        location /bypass/ { $cached edge_cache_bypass 1; }
        location /old/ { edge_cache main; proxy_pass http://127.0.0.1:$origin/; proxy_http_version 1.0; }
        location = /status { edge_status; }
        location = /json { edge_status json; }
        location = /metrics { edge_status prometheus; }
    }
    server {
        listen 127.0.0.1:$origin;
        location / { add_header Cache-Control \$http_x_cc; return 200 "twelve bytes"; }
        location /fail { if (\$http_x_fail) { return 503; } add_header Cache-Control max-age=1; return 200 "body"; }
        location /unnamed { return 500; }
        location /cookie { add_header Cache-Control max-age=60; add_header Set-Cookie a=b; return 200 "body"; }
        location /star { add_header Cache-Control max-age=60; add_header Vary *; return 200 "body"; }
        location /tagged { add_header Cache-Control max-age=60; add_header ETag '"one"'; return 200 "body"; }
        location /vary { add_header Cache-Control max-age=60; add_header Vary X-Kind; return 200 "body"; }
        location /malformed { add_header Cache-Control "max-age=60, max-age=10"; return 200 "body"; }
        location /etag {
            if (\$http_x_fail) { return 503; }
            set \$same "";
            if (\$http_if_none_match = '"one"') { set \$same 1\$http_x_new; }
            if (\$same = 1) { return 304; }
            add_header Cache-Control max-age=1;
            add_header ETag '"one"';
            return 200 "body";
        }
        location /large { add_header Cache-Control max-age=60; alias @{[$nginx->dir]}/html/large; }
        location /unframed { add_header Cache-Control max-age=60; alias @{[$nginx->dir]}/html/small; gzip on; gzip_min_length 1; gzip_types *; gzip_proxied any; gzip_http_version 1.0; }
    }
_EOC_
for (['large', 100000], ['small', 5000]) {
    open my $out, '>', $nginx->dir . "/html/$_->[0]" or die;
    print {$out} 'x' x $_->[1];
    close $out;
}
$nginx->write($nginx->conf($http));
$nginx->start($edge);

sub get { my ($target, %headers) = @_; return $nginx->request($edge, 'GET', $target, %headers) }
sub status { return decode_json(get('/json')->{content}) }

# All numbers of the page by their path.
sub flatten {
    my ($value, $path) = @_;
    return ($path => $value) unless ref $value;
    return map { flatten($value->{$_}, $path eq '' ? $_ : "$path.$_") } keys %$value if ref $value eq 'HASH';
    return map { flatten($value->[$_], "$path.$_") } 0 .. $#$value;
}

# moves($name, $code, %by): what $code does to the counters below "cache.", all that do not move left out.
sub moves {
    my ($name, $code, %by) = @_;
    my %before = flatten(status(), '');
    $code->();
    my %after = flatten(status(), '');
    my %moved;
    for my $path (grep { /^cache\./ && !/ratio$/ } keys %after) {
        my $by = $after{$path} - $before{$path};
        $moved{ $path =~ s/^cache\.//r } = $by if $by;
    }
    is_deeply(\%moved, \%by, $name) or diag(explain(\%moved));
}

my %stored = ('fills.started' => 1, 'fills.finished' => 1);
my %missed = ('requests.miss' => 1, 'forwards.uri_miss' => 1);
my @fresh = ('X-CC' => 'max-age=60');

moves('the status pages count nothing', sub { get($_) for qw(/json /metrics /status) });
moves('a miss that is stored', sub { get('/p/a', @fresh) }, %missed, %stored, 'bytes.stored' => 12);
moves('a hit', sub { get('/p/a') }, 'requests.hit' => 1, 'bytes.served' => 12);
moves('a hit for HEAD has no bytes', sub { $nginx->request($edge, 'HEAD', '/p/a') }, 'requests.hit' => 1);
moves('a method that is not cached', sub { $nginx->request($edge, 'OPTIONS', '/p/a') }, 'requests.pass' => 1, 'forwards.method' => 1);
moves('a write invalidates', sub { $nginx->request($edge, 'POST', '/p/a') },
    'requests.pass' => 1, 'forwards.method' => 1, 'invalidations' => 1);
moves('a bypass is stored', sub { get('/bypass/a', @fresh) }, 'requests.bypass' => 1, 'forwards.bypass' => 1, %stored, 'bytes.stored' => 12);
moves('one use is too few', sub { get('/uses/a', @fresh) }, %missed, 'not_stored.uses' => 1);
moves('two are enough', sub { get('/uses/a', @fresh) }, %missed, %stored, 'bytes.stored' => 12);
moves('an upgrade is passed on', sub { get('/p/a', Accept => 'text/event-stream') }, 'requests.bypass' => 1, 'forwards.bypass' => 1);

# Why an answer is not stored.
for my $case (
    ['response_no_store', '/p/1', 'X-CC' => 'no-store'],
    ['response_private', '/p/2', 'X-CC' => 'private'],
    ['request_no_store', '/p/3', @fresh, 'Cache-Control' => 'no-store'],
    ['authorization', '/p/4', @fresh, Authorization => 'Bearer t'],
    ['set_cookie', '/p/cookie'],
    ['vary_star', '/p/star'],
    ['no_freshness', '/p/5'],
    ['status', '/p/unnamed'],
    ['too_large', '/p/large'],
    ['incomplete', '/old/unframed', 'Accept-Encoding' => 'gzip'],
    )
{
    my ($reason, $target, @headers) = @$case;
    moves("not stored: $reason", sub { get($target, @headers) }, %missed, "not_stored.$reason" => 1);
}

moves('several answers to one URL', sub { get('/p/vary', 'X-Kind' => 'a') }, %missed, %stored, 'bytes.stored' => 4);
moves('and the second of them', sub { get('/p/vary', 'X-Kind' => 'b') },
    'requests.miss' => 1, 'forwards.vary_miss' => 1, %stored, 'bytes.stored' => 4);

get('/p/b', @fresh);
moves('a client that asks past the cache', sub { get('/p/b', @fresh, 'Cache-Control' => 'no-cache') },
    'requests.expired' => 1, 'forwards.request' => 1, %stored, 'bytes.stored' => 12);
moves('a part of a stored answer', sub { get('/p/b', Range => 'bytes=0-3') },
    'requests.hit' => 1, 'answers.partial' => 1, 'bytes.served' => 12);
{
    my $answer;
    moves('only-if-cached', sub { $answer = get('/p/none', 'Cache-Control' => 'only-if-cached') },
        'requests.miss' => 1, 'answers.only_if_cached' => 1);
    is($answer->{status}, 504, 'is answered with 504');
}

get('/p/tagged');
moves('a client that has the answer', sub { get('/p/tagged', 'If-None-Match' => '"one"') }, 'requests.hit' => 1, 'answers.not_modified' => 1);

# Past their freshness.
get("/$_") for qw(p/etag p/etag?new stale/etag stale/fail updating/fail p/fail);
sleep 2.1;
moves('validated', sub { get('/p/etag') },
    'requests.revalidated' => 1, 'forwards.stale' => 1, 'revalidations.not_modified' => 1, 'bytes.served' => 4);
moves('validated in vain', sub { get('/p/etag?new', 'X-New' => 1) },
    'requests.expired' => 1, 'forwards.stale' => 1, 'revalidations.replaced' => 1, %stored, 'bytes.stored' => 4);
moves('expired', sub { get('/p/fail') }, 'requests.expired' => 1, 'forwards.stale' => 1, %stored, 'bytes.stored' => 4);
moves('stale because of an error', sub { get('/stale/etag', 'X-Fail' => 1) },
    'requests.stale' => 1, 'forwards.stale' => 1, 'stale_if_error' => 1, 'revalidations.error' => 1, 'bytes.served' => 4);
moves('stale while it is renewed', sub { get('/updating/fail'); sleep 0.3 },
    'requests.updating' => 1, 'bytes.served' => 4, %stored, 'bytes.stored' => 4);

# The JSON page.
for my $target ('/json', '/status') {
    my $answer = get($target);
    is($answer->{status}, 200, "$target answers");
    is($answer->{headers}{'content-type'}, 'application/json', "$target is JSON by its type");
    is($answer->{headers}{'cache-control'}, 'no-store', "$target is not for caches");
    is($answer->{headers}{'content-length'}, length $answer->{content}, "$target has a length");
    ok(!exists $answer->{headers}{'cache-status'}, "$target is no answer of the cache, though edge_cache is inherited");
}
my $page = status();
like($page->{edge}{version}, qr/^\d+\.\d+\.\d+$/, 'the version');
like($page->{edge}{nginx_version}, qr/^1\.\d+\.\d+$/, "nginx's version");
is($page->{edge}{workers}, 1, 'the number of workers');
is($page->{edge}{generation}, 1, 'the first configuration');
cmp_ok(abs($page->{edge}{now} - time), '<=', 2, 'the time');
cmp_ok($page->{edge}{counting_since}, '>', time - 60, 'since when it counts');
is_deeply([map { $_->{name} } @{ $page->{zones} }], ['main', 'second "zone"'], 'the zones by their names');
my ($zone, $second) = @{ $page->{zones} };
cmp_ok($zone->{objects}, '>', 5, 'objects in the zone');
cmp_ok($zone->{used_bytes}, '>', 0, 'they occupy bytes');
cmp_ok($zone->{used_bytes}, '<', $zone->{capacity_bytes}, 'fewer than there are');
cmp_ok($zone->{capacity_bytes}, '<=', 8 * 1024 * 1024, 'which are at most what size= says');
is($second->{objects}, 0, 'none in the zone nobody uses');
is($page->{cache}{fills}{active}, 0, 'nothing is being stored');
cmp_ok($page->{latency}{origin}{count}, '>', 10, "the origin's answers are timed");
cmp_ok($page->{cache}{hit_ratio}, '>', 0, 'there is a hit ratio');
cmp_ok($page->{cache}{hit_ratio}, '<', 1, 'below one');

# HEAD and what is not allowed.
for my $target ('/json', '/metrics') {
    my $head = $nginx->request($edge, 'HEAD', $target);
    is($head->{status} . ($head->{content} // ''), '200', "HEAD $target has no body");
    cmp_ok($head->{headers}{'content-length'}, '>', 1000, "HEAD $target has a length");
    is($nginx->request($edge, $_, $target)->{status}, 405, "$_ $target is not allowed") for qw(POST PUT DELETE);
}

# The Prometheus page: text format 0.0.4.
{
    my $answer = get('/metrics');
    is($answer->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8', 'its type names the format');
    my ($family, %type, %help, %value, @bad);
    for my $line (split /\n/, $answer->{content}) {
        if ($line =~ /^# HELP ([a-zA-Z_:][\w:]*) (\S.*)$/) { push @bad, $line if $help{$1}++ }
        elsif ($line =~ /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram)$/) {
            push @bad, $line if exists $type{$1} || !$help{$1};
            ($family, $type{$1}) = ($1, $2);
        } elsif ($line =~ /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? ([-+]?(?:\d+(?:\.\d+)?(?:e[-+]\d+)?|Inf)|NaN)$/) {
            my ($name, $labels, $number) = ($1, $2 // '', $3);
            my $of = $type{$family} eq 'histogram' ? qr/^\Q$family\E_(bucket|sum|count)$/ : qr/^\Q$family\E$/;
            push @bad, $line if $name !~ $of || exists $value{"$name\{$labels}"};
            push @bad, $line if $type{$family} eq 'counter' && $name !~ /_total$/;
            $value{"$name\{$labels}"} = $number;
        } else { push @bad, $line }
    }
    is_deeply(\@bad, [], 'every line is HELP, TYPE or a sample of its family');
    like($answer->{content}, qr/\n\z/, 'it ends with a line feed');
    for my $timer (grep { $type{$_} eq 'histogram' } keys %type) {
        my @buckets = $answer->{content} =~ /^\Q$timer\E_bucket\{le="([^"]+)"\} (\d+)$/mg;
        my ($last, $edge, $sorted) = (0, 0, 1);
        while (my ($le, $count) = splice @buckets, 0, 2) {
            $sorted = 0 if $count < $last || ($le ne '+Inf' && $le <= $edge);
            ($last, $edge) = ($count, $le);
        }
        ok($sorted && $edge eq '+Inf' && $last == $value{"${timer}_count{}"}, "$timer: its buckets add up");
    }
    $page = status();
    my $requests = $page->{cache}{requests};
    is($value{"edge_cache_requests_total{status=\"\U$_\E\"}"}, $requests->{$_}, "requests $_ as on the other page") for keys %$requests;
    is($value{'edge_cache_zone_objects{zone="second \\"zone\\""}'}, 0, "a zone's name is quoted");
    is($value{'edge_cache_zone_objects{zone="main"}'}, $page->{zones}[0]{objects}, 'objects as on the other page');
}

# Counters outlive a configuration.
{
    get('/uses/b', @fresh);
    my %before = flatten(status()->{cache}, '');
    $nginx->reload;
    my $after = status();
    my %after = flatten($after->{cache}, '');
    is_deeply(\%after, \%before, 'a reload leaves the counters');
    is($after->{edge}{generation}, 2, 'and is counted');
    is(get('/p/b')->{headers}{'cache-status'} =~ /hit/ ? 1 : 0, 1, 'what is stored outlives it too');
    like(get('/uses/b', @fresh)->{headers}{'cache-status'}, qr/stored/, 'so do the uses counted');
}
$nginx->stop;

# Without any zone there is still a page.
my $bare = OwnNginx->new('status-bare');
$bare->write($bare->conf("    server { listen 127.0.0.1:$edge; location / { edge_status; } location /metrics { edge_status prometheus; } }"));
$bare->start($edge);
{
    my $empty = decode_json($bare->request($edge, 'GET', '/')->{content});
    is_deeply($empty->{zones}, [], 'without zones the page says so');
    is($empty->{edge}{workers}, 1, 'and what runs');
    is($empty->{cache}{hit_ratio}, undef, 'there is no ratio of nothing');
    is($bare->request($edge, 'GET', '/metrics')->{status}, 200, 'the other page too');
}
$bare->stop;

unlike($nginx->log . $bare->log, qr/\[(error|crit|alert|emerg)\]/, 'the error logs have no error');
done_testing;

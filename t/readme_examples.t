# README.md: every configuration in it is accepted by nginx, and every directive is described in full.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use OwnNginx;

my $root = "$FindBin::Bin/..";
sub slurp { my ($file) = @_; open my $in, '<', "$root/$file" or die "$file: $!\n"; local $/; return scalar <$in> }
my $readme = slurp('README.md');
my $nginx = OwnNginx->new('readme');

# The whole nginx.conf that an example is a part of.
# A secret, where examples have one.
my $key = $nginx->dir . '/jwt.key';
{
    open my $out, '>', $key or die "$key: $!\n";
    print {$out} 'x' x 32;
    close $out;
}

sub whole {
    my ($example) = @_;
    $example =~ s{/etc/nginx/(?:jwt|image)\.key}{$key}g;
    if ($example =~ /^http \{/m) {
        $example =~ s/^http \{\n/"http {\n" . $nginx->own_paths . "\n"/me;
        return $example;
    }
    my $zone = $example =~ /edge_zone main/ ? '' : "edge_zone main size=8m;\n";
    return $nginx->conf($zone . $example) if $example =~ /^server \{/m;
    return $nginx->conf("${zone}server { listen 127.0.0.1:1; edge_cache main;\n$example\n}") if $example =~ /^location /m;
    return $nginx->conf("$zone$example\nserver { listen 127.0.0.1:1; edge_cache main; }");
}

my ($count, $line, $start, $example) = (0, 0, 0, '');
for my $text (split /^/, $readme) {
    $line++;
    if (!$start) {
        ($start, $example) = ($line + 1, '') if $text eq "```nginx\n";
    } elsif ($text ne "```\n") {
        $example .= $text;
    } else {
        $nginx->write(whole($example));
        my ($accepted, $output) = $nginx->check;
        ok($accepted, "README.md:$start is accepted") or diag($output);
        $count++;
        $start = 0;
    }
}
cmp_ok($count, '>=', 14, 'the examples were found');

like($readme, qr/\Q@{[slurp('nginx-conf\/minimal.conf') =~ s{^#.*\n}{}gr]}\E/, 'the first one is nginx-conf/minimal.conf');

my %context = (
    http => 'NGX_HTTP_MAIN_CONF',
    location => 'NGX_HTTP_LOC_CONF',
    'http, server, location' => 'ngx::kEverywhere',
);
my %table = slurp('src/module/directives.cpp') =~ /directive\("(edge_\w+)"_ngx,\s*([\w:]+)/g;
cmp_ok(scalar(keys %table), '>=', 12, 'the table of directives was read');
for my $name (sort keys %table) {
    my ($section) = $readme =~ /^### $name\n(.*?)(?=^##)/ms;
    ok($section, "$name has a section") or next;
    like($section, qr/^- Syntax: `$name /m, "$name: its syntax");
    like($section, qr/^- Default: \S/m, "$name: its default");
    my ($where) = $section =~ /^- Context: (.*)$/m;
    is($context{ $where // '' }, $table{$name}, "$name: its context is that of the table");
    ok($section =~ /```nginx\n.*?\b$name\b.*?```/s, "$name: its section has an example");
}
done_testing;

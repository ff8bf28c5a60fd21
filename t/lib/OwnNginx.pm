package OwnNginx;

# For the t/ files that Test::Nginx does not fit: one nginx that lives through the whole file,
# or many runs of nginx -t. Uses the environment that scripts/test sets for Test::Nginx.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Path qw(make_path remove_tree);
use HTTP::Tiny;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

my $binary = $ENV{TEST_NGINX_BINARY} || 'nginx';

# new($name): its directory, emptied, is below Test::Nginx's server root.
sub new {
    my ($class, $name) = @_;
    my $root = $ENV{TEST_NGINX_SERVROOT} or die "run this by scripts/test\n";
    my $dir = "$root-$name";
    remove_tree($dir);
    make_path("$dir/temp", "$dir/logs", "$dir/html", "$dir/modules");
    chmod 0755, $dir;
    my $module = $ENV{TEST_NGINX_LOAD_MODULES} or die "run this by scripts/test\n";
    symlink abs_path($module), "$dir/modules/ngx_http_edge_module.so" or die "symlink: $!\n";
    return bless { dir => abs_path($dir) }, $class;
}

sub dir { $_[0]{dir} }

# port($n): the file's own port number $n, 0 to 9.
sub port { ($ENV{TEST_NGINX_PORT} || 1984) + $_[1] }

# Directives that keep all an nginx writes below its own directory.
sub own_paths {
    my ($self) = @_;
    my $dir = $self->{dir};
    return join "\n", "    access_log $dir/logs/access.log;",
        map { "    ${_}_temp_path $dir/temp/$_;" } qw(client_body proxy fastcgi uwsgi scgi);
}

# write($text): nginx.conf, exactly this. Returns its path.
sub write {
    my ($self, $text) = @_;
    my $file = "$self->{dir}/nginx.conf";
    open my $out, '>', $file or die "$file: $!\n";
    print {$out} $text;
    close $out or die "$file: $!\n";
    return $file;
}

# conf($http, $main): a whole nginx.conf around the content of the http block.
sub conf {
    my ($self, $http, $main) = @_;
    $main //= '';
    return "load_module modules/ngx_http_edge_module.so;\nworker_processes 1;\n$main\n"
        . "events {}\nhttp {\n" . $self->own_paths . "\n$http\n}\n";
}

sub arguments {
    my ($self) = @_;
    return ('-p', "$self->{dir}/", '-e', "$self->{dir}/logs/error.log", '-c', "$self->{dir}/nginx.conf");
}

# check(): what nginx -t prints of nginx.conf, and whether it accepts it.
sub check {
    my ($self) = @_;
    # Errors that a test provokes are not for the log that is searched for them.
    local $ENV{EDGE_ERROR_LOG} = '';
    my @command = map { "'$_'" } $binary, '-t', $self->arguments;
    my $output = qx(@command 2>&1);
    return ($? == 0, $output);
}

sub listening { return defined IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_[0]) }

# start($port): in the background; returns when it accepts connections there.
sub start {
    my ($self, $port) = @_;
    die "port $port is in use\n" if listening($port);
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        open STDOUT, '>', "$self->{dir}/logs/output.log";
        open STDERR, '>&', \*STDOUT;
        my $global = "daemon off; pid $self->{dir}/nginx.pid; error_log $self->{dir}/logs/error.log info;";
        $global .= " error_log $ENV{EDGE_ERROR_LOG} warn;" if $ENV{EDGE_ERROR_LOG};
        exec $binary, $self->arguments, '-g', $global or die "$binary: $!\n";
    }
    $self->{pid} = $pid;
    my $end = time + 10;
    until (listening($port)) {
        die "nginx does not start: " . $self->log . "\n" if time > $end || waitpid($pid, 1) == $pid;
        sleep 0.05;
    }
    return $self;
}

# reload(): returns when the workers of the configuration before are gone.
sub reload {
    my ($self) = @_;
    my $before = () = $self->log =~ /start worker process \d/g;
    my $gone = () = $self->log =~ /worker process \d+ exited/g;
    kill 'HUP', $self->{pid};
    my $end = time + 10;
    while ((() = $self->log =~ /start worker process \d/g) <= $before
        || (() = $self->log =~ /worker process \d+ exited/g) <= $gone)
    {
        die "nginx does not reload: " . $self->log . "\n" if time > $end;
        sleep 0.05;
    }
}

sub log {
    my ($self) = @_;
    open my $in, '<', "$self->{dir}/logs/error.log" or return '';
    local $/;
    return <$in> // '';
}

sub stop {
    my ($self) = @_;
    return unless $self->{pid};
    kill 'QUIT', $self->{pid};
    my $status = $?;
    waitpid $self->{pid}, 0;
    $? = $status;
    delete $self->{pid};
}

sub DESTROY { $_[0]->stop }

# request($port, $method, $target, %headers): as HTTP::Tiny, on a connection of its own.
sub request {
    my ($self, $port, $method, $target, %headers) = @_;
    my $client = HTTP::Tiny->new(timeout => 30, max_redirect => 0, keep_alive => 0);
    return $client->request($method, "http://127.0.0.1:$port$target", { headers => \%headers });
}

# send($port, $method, $target, $content, %headers): the same with a body; an array of its parts is sent chunked.
sub send {
    my ($self, $port, $method, $target, $content, %headers) = @_;
    my $client = HTTP::Tiny->new(timeout => 20, max_redirect => 0, keep_alive => 0);
    my @parts = ref $content ? @$content : ();
    return $client->request($method, "http://127.0.0.1:$port$target",
        { headers => \%headers, content => ref $content ? sub { shift @parts } : $content });
}

1;

package Wire;

# HTTP/1.1 as bytes: an origin whose every byte the test writes, and a client that shows every byte it got.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Socket qw(AF_INET SOCK_STREAM SOL_SOCKET SO_RCVBUF inet_aton pack_sockaddr_in);
use Time::HiRes qw(sleep time);
use Exporter qw(import);
our @EXPORT = qw(origin requests send_all ask ask_all dial receive read_answer read_rest plain stored http_date);
use POSIX ();

my (@children, $seen);

# origin($port, $answer): a server in a process of its own; each connection is served in one more.
# $answer->($socket, $head, $body) writes the answer; what it returns true for closes the connection.
sub origin {
    my ($port, $answer, $log) = @_;
    $seen = "$log/requests.$port";
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 64, ReuseAddr => 1)
        or die "port $port: $!\n";
    my $pid = fork // die "fork: $!\n";
    if ($pid) {
        push @children, $pid;
        return $pid;
    }
    $SIG{CHLD} = 'IGNORE';
    $SIG{TERM} = 'DEFAULT';
    while (1) {
        my $socket = $listener->accept or next;
        next if fork;
        close $listener;
        serve($socket, $answer);
        POSIX::_exit(0);
    }
}

sub serve {
    my ($socket, $answer) = @_;
    $socket->autoflush(1);
    $SIG{PIPE} = 'IGNORE';
    my $buffer = '';
    while (1) {
        until ($buffer =~ /\r\n\r\n/) { return unless sysread $socket, $buffer, 65536, length $buffer }
        my ($head, $rest) = $buffer =~ /^(.*?\r\n)\r\n(.*)/s;
        my $length = $head =~ /^content-length: *(\d+)/mi ? $1 : 0;
        while (length $rest < $length) { return unless sysread $socket, $rest, 65536, length $rest }
        my $body = substr $rest, 0, $length, '';
        $buffer = $rest;
        open my $out, '>>', $seen or return;
        syswrite $out, "$head\0";
        close $out;
        return if $answer->($socket, $head, $body);
    }
}

# send_all($socket, $bytes): false when the other end has gone.
sub send_all {
    my ($socket, $bytes) = @_;
    for (my $at = 0; $at < length $bytes;) {
        my $n = syswrite $socket, $bytes, 65536, $at;
        return 0 unless $n;
        $at += $n;
    }
    return 1;
}

# requests(): the heads of all requests the origin has had; requests($path): those for it.
sub requests {
    my ($path) = @_;
    open my $in, '<', $seen or return;
    local $/;
    my @heads = split /\0/, <$in> // '';
    return defined $path ? grep { /^\S+ \Q$path\E / } @heads : @heads;
}

# plain($body, @lines): a whole 200 answer with Content-Length.
sub plain {
    my ($body, @lines) = @_;
    return join("\r\n", 'HTTP/1.1 200 OK', @lines, 'Content-Length: ' . length $body) . "\r\n\r\n$body";
}

# stored($port, '/path', @lines): the stored answer, once there is one; nobody is asked for it.
sub stored {
    my ($port, $path, @lines) = @_;
    my $end = time + 15;
    while (1) {
        my $answer = ask($port, "GET $path", 'Cache-Control: only-if-cached', @lines);
        return $answer if $answer->status != 504 || time > $end;
        sleep 0.05;
    }
}

# http_date($time): as in Date.
sub http_date {
    my @t = gmtime $_[0];
    return sprintf '%s, %02d %s %d %02d:%02d:%02d GMT', (qw(Sun Mon Tue Wed Thu Fri Sat))[$t[6]], $t[3],
        (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[$t[4]], $t[5] + 1900, @t[2, 1, 0];
}

# dial($port, small => 1): with `small` the client's kernel takes little that is not read.
sub dial {
    my ($port, %options) = @_;
    socket my $socket, AF_INET, SOCK_STREAM, 0 or die "socket: $!\n";
    setsockopt $socket, SOL_SOCKET, SO_RCVBUF, 8192 if $options{small};
    connect $socket, pack_sockaddr_in($port, inet_aton('127.0.0.1')) or die "port $port: $!\n";
    return $socket;
}

# receive($socket, $seconds): some bytes; '' at the end, undef when none come in time.
sub receive {
    my ($socket, $seconds) = @_;
    return undef unless IO::Select->new($socket)->can_read($seconds // 10);
    my $bytes = '';
    my $n = sysread $socket, $bytes, 262144;
    return $n ? $bytes : '';
}

# read_answer($socket, $method): one framed answer:
# { status, head, body, whole (false: the connection ended first), rest (bytes after it), field => sub }
my %left;
sub read_answer {
    my ($socket, $method) = @_;
    my $buffer = delete $left{$socket} // '';
    my $more = sub {
        my $bytes = receive($socket, 15);
        return 0 unless defined $bytes && length $bytes;
        $buffer .= $bytes;
        return 1;
    };
    until ($buffer =~ /\r\n\r\n/) { $more->() or return Wire::Answer->new($buffer, '', 0) }
    my ($head, $rest) = $buffer =~ /^(.*?\r\n)\r\n(.*)/s;
    my ($status) = $head =~ m{^HTTP/1\.\d (\d+)};
    my ($body, $whole) = ('', 1);
    if (($method // '') eq 'HEAD' || $status == 304 || $status == 204 || $status < 200) {
        $left{$socket} = $rest;
    } elsif ($head =~ /^transfer-encoding: *chunked/mi) {
        $buffer = $rest;
        while (1) {
            until ($buffer =~ /^([0-9a-f]+)\r\n/i) { $more->() or return Wire::Answer->new($head, $body, 0) }
            my ($digits) = $buffer =~ /^([0-9a-f]+)/i;
            my ($size, $skip) = (hex $digits, length($digits) + 2);
            while (length $buffer < $skip + $size + 2) {
                $more->() or return Wire::Answer->new($head, $body . substr($buffer, $skip), 0);
            }
            $body .= substr $buffer, $skip, $size;
            substr $buffer, 0, $skip + $size + 2, '';
            last if $size == 0;
        }
        $left{$socket} = $buffer;
    } elsif ($head =~ /^content-length: *(\d+)/mi) {
        my $length = $1;
        $buffer = $rest;
        while (length $buffer < $length) { $more->() or return Wire::Answer->new($head, $buffer, 0) }
        $body = substr $buffer, 0, $length, '';
        $left{$socket} = $buffer;
    } else {
        $buffer = $rest;
        1 while $more->();
        $body = $buffer;
    }
    return Wire::Answer->new($head, $body, $whole);
}

# read_rest($socket): all that comes until the connection ends, or until nothing comes for a second.
sub read_rest {
    my ($socket) = @_;
    my $buffer = delete $left{$socket} // '';
    while (defined(my $bytes = receive($socket, 1))) {
        last if $bytes eq '';
        $buffer .= $bytes;
    }
    return $buffer;
}

# ask($port, 'GET /path', @lines): one request on a connection of its own.
sub ask { return (ask_all($_[0], [@_[1 .. $#_]]))[0] }

# ask_all($port, ['GET /path', @lines], …): one after the other on one connection.
sub ask_all {
    my ($port, @asked) = @_;
    my $socket = dial($port);
    my @answers;
    for my $asked (@asked) {
        my ($request, @lines) = @$asked;
        my $body = @lines && ref $lines[-1] ? ${ pop @lines } : '';
        my $host = (grep { /^host:/i } @lines) ? '' : "Host: a.test\r\n";
        syswrite $socket, "$request HTTP/1.1\r\n$host" . join('', map { "$_\r\n" } @lines) . "\r\n$body";
        push @answers, read_answer($socket, $request =~ /^(\S+)/);
    }
    return @answers;
}

END {
    my $status = $?;
    kill 'TERM', @children if @children;
    $? = $status;
}

package Wire::Answer;

sub new {
    my ($class, $head, $body, $whole) = @_;
    my ($status) = $head =~ m{^HTTP/1\.\d (\d+)};
    return bless { head => $head, body => $body, whole => $whole, status => $status // 0 }, $class;
}
sub status { $_[0]{status} }
sub head { $_[0]{head} }
sub body { $_[0]{body} }
sub whole { $_[0]{whole} }
# field($name): the values of its lines, joined; undef: none.
sub field {
    my ($self, $name) = @_;
    my @values = $self->{head} =~ /^\Q$name\E: *(.*?)\r$/mgi;
    return @values ? join(', ', @values) : undef;
}
# cache(): $edge_cache_status, which the tests' confs put into X-Cache.
sub cache { $_[0]->field('X-Cache') // '' }

1;

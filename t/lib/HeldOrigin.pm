package HeldOrigin;

# An origin whose every answer the test itself gives, when it likes: for what happens while a request is under way.
use strict;
use warnings;
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;

sub new {
    my ($class, $port) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 64, ReuseAddr => 1)
        or die "port $port: $!\n";
    return bless { listener => $listener }, $class;
}

# asked(): the next request that arrives: {socket, text, method, target}. Dies after 10 s.
sub asked {
    my ($self) = @_;
    my $ready = '';
    vec($ready, fileno $self->{listener}, 1) = 1;
    select($ready, undef, undef, 10) or die "the origin was not asked\n";
    my $socket = $self->{listener}->accept or die "accept: $!\n";
    my $text = '';
    while ($text !~ /\r\n\r\n/) { sysread($socket, $text, 4096, length $text) or die "the request ended\n" }
    my ($method, $target) = $text =~ /^(\S+) (\S+)/;
    return { socket => $socket, text => $text, method => $method, target => $target };
}

# idle(): nobody asks for a while.
sub idle {
    my ($self) = @_;
    my $ready = '';
    vec($ready, fileno $self->{listener}, 1) = 1;
    return !select($ready, undef, undef, 0.3);
}

# answer($asked, $body, @lines): with status 200, unless the first line is another status line.
sub answer {
    my ($self, $asked, $body, @lines) = @_;
    my $status = @lines && $lines[0] =~ /^\d/ ? shift @lines : '200 OK';
    push @lines, 'Content-Length: ' . length $body unless $status =~ /^304/;
    print { $asked->{socket} } join "\r\n", "HTTP/1.1 $status", @lines, 'Connection: close', '', $body;
    close $asked->{socket};
}

# client($port, $method, $target, %headers): a request under way; result($client) waits for its answer.
sub client {
    my ($port, $method, $target, %headers) = @_;
    pipe my $read, my $write or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        close $read;
        my $answer = HTTP::Tiny->new(timeout => 20, keep_alive => 0)->request($method, "http://127.0.0.1:$port$target", { headers => \%headers });
        print {$write} encode_json($answer);
        close $write;
        require POSIX;
        POSIX::_exit(0);
    }
    close $write;
    return { pid => $pid, pipe => $read };
}

sub result {
    my ($client) = @_;
    local $/;
    my $text = readline $client->{pipe};
    waitpid $client->{pid}, 0;
    return decode_json($text);
}

1;

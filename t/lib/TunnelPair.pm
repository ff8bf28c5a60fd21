package TunnelPair;

# Both ends of one WebSocket connection through an nginx, in one process: the test writes and reads every frame.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);

# listen_at($port): the upstream's listening socket, for open().
sub listen_at {
    my ($port) = @_;
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1)
        // die "port $port: $!\n";
}

# open($listener, $port, $target, client => LINES, upstream => LINES, with => BYTES): connects a client to $port and
# answers for the upstream with a 101, LINES being more header lines of either, BYTES what follows at once.
sub open {
    my ($class, $listener, $port, $target, %more) = @_;
    my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "port $port: $!\n";
    my $self = bless { client => $client, bytes => { client => '', upstream => '' } }, $class;
    $self->write(client => "GET $target HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        . "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" . ($more{client} // '') . "\r\n");
    IO::Select->new($listener)->can_read(10) or die "the upstream was not asked\n";
    $self->{upstream} = $listener->accept;
    $self->{request} = $self->head('upstream');
    $self->write(upstream => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        . "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" . ($more{upstream} // '') . "\r\n" . ($more{with} // ''));
    $self->{response} = $self->head('client');
    return $self;
}

sub write {
    my ($self, $end, $bytes) = @_;
    while (length $bytes) {
        my $n = syswrite $self->{$end}, $bytes or die "$end: $!\n";
        substr($bytes, 0, $n) = '';
    }
}

# more($end, $seconds): reads once what has come there; false: nothing came in that time, or its end.
sub more {
    my ($self, $end, $seconds) = @_;
    IO::Select->new($self->{$end})->can_read($seconds) or return 0;
    my $n = sysread $self->{$end}, $self->{bytes}{$end}, 65536, length $self->{bytes}{$end};
    $self->{ended}{$end} = 1 unless $n;
    return $n;
}

sub head {
    my ($self, $end) = @_;
    my $end_of_head;
    while (($end_of_head = index $self->{bytes}{$end}, "\r\n\r\n") < 0) {
        $self->more($end, 10) or die "$end: no header\n";
    }
    return substr $self->{bytes}{$end}, 0, $end_of_head + 4, '';
}

# frame($opcode, $payload, %flags): as a client (masked => 1) or a server sends it; first => the first byte, if another.
sub frame {
    my ($opcode, $payload, %flags) = @_;
    my $bit = $flags{masked} ? 0x80 : 0;
    my $size = length $payload;
    my $head = pack('C', $flags{first} // 0x80 | $opcode)
        . ($size < 126 ? pack('C', $bit | $size) : $size < 65536 ? pack('Cn', $bit | 126, $size) : pack('CQ>', $bit | 127, $size));
    return $head . $payload unless $flags{masked};
    my $mask = pack 'N', int rand 2**32;
    return $head . $mask . ($payload ^ substr($mask x (1 + $size / 4), 0, $size));
}

# send($end, $text ...): text messages from there.
sub send {
    my ($self, $end, @texts) = @_;
    $self->write($end, join '', map { frame(1, $_, masked => $end eq 'client') } @texts);
}

# frames($end, $n, $seconds): the next frames that arrive there, [first byte, payload] each: $n, or fewer if no more come
# in that time (10 s unless told).
sub frames {
    my ($self, $end, $n, $seconds) = @_;
    my ($until, @frames) = time + ($seconds // 10);
    while (@frames < $n) {
        my $bytes = \$self->{bytes}{$end};
        my $left = $until - time;
        if (defined(my $frame = take($bytes))) { push @frames, $frame }
        elsif ($left <= 0 || !$self->more($end, $left)) { last }
    }
    return @frames;
}

# texts(...): the payloads alone.
sub texts { my $self = shift; return [map { $_->[1] } $self->frames(@_)] }

sub take {
    my ($bytes) = @_;
    return if length $$bytes < 2;
    my ($first, $second) = unpack 'CC', $$bytes;
    my ($at, $size) = (2, $second & 0x7f);
    if ($size == 126) { return if length $$bytes < 4; ($at, $size) = (4, unpack 'x2n', $$bytes) }
    if ($size == 127) { return if length $$bytes < 10; ($at, $size) = (10, unpack 'x2Q>', $$bytes) }
    my $mask = $second & 0x80 ? substr($$bytes, $at, 4) : '';
    $at += length $mask;
    return if length $$bytes < $at + $size;
    my $payload = substr $$bytes, $at, $size;
    $payload ^= substr($mask x (1 + $size / 4), 0, $size) if length $mask;
    substr($$bytes, 0, $at + $size) = '';
    return [$first, $payload];
}

# close_code($end): of the Close that is the next frame there.
sub close_code {
    my ($self, $end) = @_;
    my ($frame) = $self->frames($end, 1);
    return $frame && $frame->[0] == 0x88 ? unpack('n', $frame->[1]) : undef;
}

sub shut { my ($self) = @_; close $self->{$_} for 'client', 'upstream' }

1;

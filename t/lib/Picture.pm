package Picture;

# What kind of picture some bytes are, and its size: read from the bytes themselves.
use strict;
use warnings;
use Exporter qw(import);
our @EXPORT = qw(picture shape);

sub jpeg_size {
    my ($bytes) = @_;
    my $at = 2;
    while ($at + 9 < length $bytes) {
        my ($marker, $length) = unpack 'x C n', substr $bytes, $at, 4;
        return reverse unpack 'n2', substr $bytes, $at + 5, 4 if $marker >= 0xc0 && $marker <= 0xcf && $marker !~ /^(?:196|200|204)$/;
        $at += 2 + $length;
    }
    return (0, 0);
}

sub webp_size {
    my ($bytes) = @_;
    my $chunk = substr $bytes, 12, 4;
    return map { $_ & 0x3fff } unpack 'v2', substr $bytes, 26, 4 if $chunk eq 'VP8 ';
    return map { 1 + unpack 'V', substr($bytes, $_, 3) . "\0" } 24, 27 if $chunk eq 'VP8X';
    my $bits = unpack 'V', substr $bytes, 21, 4;
    return (($bits & 0x3fff) + 1, ($bits >> 14 & 0x3fff) + 1);
}

sub avif_size {
    my ($bytes) = @_;
    my $at = index $bytes, 'ispe';
    return $at < 0 ? (0, 0) : unpack 'N2', substr $bytes, $at + 8, 8;
}

# picture($bytes): {format, width, height, frames}; frames of WebP and GIF alone.
sub picture {
    my ($bytes) = @_;
    my ($format, @size) =
          $bytes =~ /^\xff\xd8\xff/ ? ('jpeg', jpeg_size($bytes))
        : $bytes =~ /^\x89PNG/ ? ('png', unpack 'N2', substr $bytes, 16, 8)
        : $bytes =~ /^GIF8/ ? ('gif', unpack 'v2', substr $bytes, 6, 4)
        : $bytes =~ /^RIFF....WEBP/s ? ('webp', webp_size($bytes))
        : $bytes =~ /^....ftypavi[fs]/s ? ('avif', avif_size($bytes))
        : $bytes =~ /^(?:II\*\0|MM\0\*)/ ? ('tiff', 0, 0)
        : ('none', 0, 0);
    my $frames = () = $bytes =~ /ANMF/g;
    return { format => $format, width => $size[0], height => $size[1], frames => $frames };
}

# shape($bytes): "webp 150x150".
sub shape {
    my $picture = picture($_[0]);
    return "$picture->{format} $picture->{width}x$picture->{height}";
}

1;

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace edge::render::test {

/// A file as pixels, decoded by libvips in this process.
struct Pixels {
    unsigned width = 0;
    unsigned height = 0;  ///< of all frames
    unsigned bands = 0;
    unsigned pages = 1;
    bool interlaced = false;
    std::vector<std::uint8_t> samples;
    std::vector<std::string> fields;  ///< names of its metadata

    /// Mean of a band, 0 … 255.
    double mean(unsigned band) const;
    /// How many of 256 values the darkest and the brightest 1 % of a band's samples lie apart.
    int spread(unsigned band) const;
    bool has_field(const std::string& start) const;
};

Pixels decode(const std::string& file, bool all_frames = false);

/// Grey, RGB or RGBA as `bands` has it.
std::string encode_png(const Pixels& pixels);

/// Mean absolute difference of all samples; 1000 when the shapes differ.
double difference(const Pixels& a, const Pixels& b);

}

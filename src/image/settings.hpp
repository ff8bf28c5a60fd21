#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/arguments.hpp"
#include "image/job.hpp"
#include "image/negotiate.hpp"
#include "image/preset.hpp"
#include "image/signature.hpp"

namespace edge::image {

/// What a location with edge_image on says. Lives as long as the configuration.
struct Settings {
    Formats formats{Format::avif, Format::webp};
    ArgumentRules arguments;
    Presets presets;
    SigningKeys keys;  ///< empty: signatures are not known here
    Quality usual;     ///< where neither preset nor q= name one
    Limits limits;
    Range range = Range::automatic;
    float range_low = 0;
    float range_high = 1;
    bool keep_copyright = false;
    bool fallback_original = true;     ///< else an error
    std::vector<std::string> prewarm;  ///< names of presets
};

/// How the program that renders is run; one for all of nginx.
struct ProcessSettings {
    bool said = false;            ///< edge_image_processes stands somewhere
    std::string program;          ///< its path
    std::string place;            ///< file:line that wants it
    std::uint32_t processes = 0;  ///< 0: as many as the host has processors
    std::uint64_t memory = std::uint64_t{1} << 30;
    std::uint32_t queue = 256;
};

}

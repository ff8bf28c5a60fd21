#pragma once

#include <string>
#include <vector>

namespace edge::bench {

/// Prints what JPEG, WebP and AVIF weigh when they look alike, over the pictures in `files`. `side`: made
/// smaller to so many pixels first; 0: as they are. `qualities`: of progressive JPEG. With the program
/// ssimulacra_main in EDGE_SSIMULACRA also what that says of each line.
void run_quality(unsigned side, const std::vector<int>& qualities, const std::vector<std::string>& files);

}

#pragma once

#include <string>
#include <vector>

namespace edge::bench {

/// Into `directory`: photo1.jpg … of 13 to 21 megapixels, those among `files` or, if there is none, three of
/// them enlarged to 16; deep.tif, 16 bits a sample, 4 megapixels, not compressed; alpha.png, 3 megapixels.
/// Prints what they are.
void make_sources(const std::string& directory, const std::vector<std::string>& files);

}

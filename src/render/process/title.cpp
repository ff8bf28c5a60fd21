#include "render/process/title.hpp"

#include <algorithm>
#include <cstring>

namespace edge::render {

void set_title(int argc, char** argv, const char* title) noexcept
{
    if (argc < 1) return;
    // The kernel laid them out one behind the other.
    char* const begin = argv[0];
    char* const end = argv[argc - 1] + std::strlen(argv[argc - 1]);
    if (end <= begin) return;
    const auto room = static_cast<std::size_t>(end - begin);
    std::memset(begin, 0, room);
    std::memcpy(begin, title, std::min(room, std::strlen(title)));
}

}

#include "image/glue/memory_file.hpp"

#include "image/glue/render_client.hpp"

namespace edge::image {

MemoryFile::~MemoryFile()
{
    discard(std::move(file_));
}

}

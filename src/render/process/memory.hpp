#pragma once

namespace edge::render {

/// Gives back what this process needs no more: freed heap, and the pages of the program and its libraries
/// that are only read. The latter come back from the page cache when they are needed again, within a
/// millisecond in all; most were touched only while everything was loaded.
void release_memory() noexcept;

}

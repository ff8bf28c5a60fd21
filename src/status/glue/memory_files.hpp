#pragma once

#include "status/memory_use.hpp"

namespace edge::status {

/// Asks the kernel: the control group's memory (version 2) where it has a limit, else the machine's. A few
/// small files below /proc and /sys.
MemoryUse read_memory_use();

}

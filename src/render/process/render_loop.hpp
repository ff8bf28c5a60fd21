#pragma once

#include "render/process/options.hpp"

namespace edge::render {

/// A render process: Hello, then a Done or Refused for each Submit, one at a time, until end of file on its
/// socket. Returns the process's exit code; leave by _exit with it.
int run_render(const RenderOptions& options, int argc, char** argv);

}

#include <unistd.h>

#include <cstdio>
#include <exception>

#include "render/process/options.hpp"
#include "render/process/render_loop.hpp"
#include "render/process/supervisor.hpp"

namespace {

int run(int argc, char** argv)
{
    using namespace edge::render;
    const auto options = parse_options({argv + 1, static_cast<std::size_t>(argc > 0 ? argc - 1 : 0)});
    if (const auto* wrong = std::get_if<std::string>(&options)) {
        std::fprintf(stderr, "edge_render: %s\n", wrong->c_str());
        return 2;
    }
    const auto& mode = std::get<Options>(options);
    if (const auto* supervisor = std::get_if<SupervisorOptions>(&mode))
        return run_supervisor(*supervisor, argc, argv);
    return run_render(std::get<RenderOptions>(mode), argc, argv);
}

}

/// edge_render: makes images for nginx-edge; started by the module. See image/protocol.hpp.
int main(int argc, char** argv)
{
    int code = 1;
    try {
        code = run(argc, argv);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "edge: %s\n", e.what());
    }
    // Without the libraries' own endings: they have been seen to crash, and there is nothing to save.
    std::fflush(stderr);
    ::_exit(code);
}

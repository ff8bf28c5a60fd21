#include "render/process/render_loop.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "image/channel.hpp"
#include "render/process/memory.hpp"
#include "render/process/sandbox.hpp"
#include "render/process/title.hpp"
#include "render/vips/pipeline.hpp"

namespace edge::render {

namespace {

using Clock = std::chrono::steady_clock;

std::uint32_t microseconds_since(Clock::time_point start) noexcept
{
    return static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count());
}

// False: `ms` passed before; -1 waits for ever.
bool wait_for(int socket, short events, int ms = -1) noexcept
{
    pollfd wait{socket, events, 0};
    return ::poll(&wait, 1, ms) != 0;
}

// Decoders write about strangers' files to standard error, which is nginx's error log. What a sanitizer
// writes stays.
void silence(const image::Descriptor& nothing) noexcept
{
#if !defined(__SANITIZE_ADDRESS__)
    if (std::getenv("EDGE_RENDER_DEBUG") == nullptr) ::dup2(nothing.get(), STDERR_FILENO);
#else
    static_cast<void>(nothing);
#endif
}

// Without work for so long a process rests.
constexpr int kRestMs = 500;
// Bytes. More than 32 MB glibc does not take.
constexpr int kLargestKept = 32 << 20;
constexpr int kMostKept = 64 << 20;

bool answer(int socket, const image::Message& message, int attached = -1) noexcept
{
    for (;;) {
        switch (image::send(socket, message, attached)) {
            case image::Sent::yes:
                return true;
            case image::Sent::broken:
                return false;
            case image::Sent::full:
                wait_for(socket, POLLOUT);
        }
    }
}

bool work_on(int socket, const image::Submit& submit, int fd) noexcept
{
    const auto start = Clock::now();
    image::Refused refused;
    refused.id = submit.id;
    const auto refuse = [&](image::Reason reason) {
        refused.reason = reason;
        refused.render_us = microseconds_since(start);
        return answer(socket, refused);
    };
    const auto source = image::SealedBytes::map(fd);
    if (!source) return refuse(image::Reason::bad_request);
    const auto outcome = render(source->bytes(), submit.job);
    if (const auto* reason = std::get_if<image::Reason>(&outcome)) return refuse(*reason);

    const auto& rendered = std::get<Rendered>(outcome);
    image::Done done;
    done.id = submit.id;
    done.original = !rendered.file.has_value();
    done.format = rendered.format;
    done.source_format = rendered.source_format;
    done.width = rendered.size.width;
    done.height = rendered.size.height;
    done.frames = rendered.frames;
    done.source_width = rendered.source_size.width;
    done.source_height = rendered.source_size.height;
    image::Descriptor result;
    if (rendered.file) {
        done.bytes = rendered.file->bytes().size();
        result = image::make_sealed("edge-image", rendered.file->bytes());
        if (!result) return refuse(image::Reason::out_of_memory);
    } else
        done.bytes = source->bytes().size();
    done.render_us = microseconds_since(start);
    return answer(socket, done, result.get());
}

}

int run_render(const RenderOptions& options, int argc, char** argv)
{
    const int socket = options.socket;
    if (!die_with_parent()) return 1;
    // One heap: by default each thread of an encoder gets its own, and keeps what it once used.
    ::mallopt(M_ARENA_MAX, 1);
    // From one job to the next so much stays: to get it from the system anew, page by page, takes a seventh
    // of the time of a thumbnail. A process without work gives it back.
    ::mallopt(M_MMAP_THRESHOLD, kLargestKept);
    ::mallopt(M_TRIM_THRESHOLD, kMostKept);
    if (!start_vips("edge_render")) return 1;
    const image::Descriptor nothing{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
    limit_resources(options.memory);
    if (!enter_sandbox()) {
        std::fprintf(stderr, "edge: a render process can't be confined: %s\n", std::strerror(errno));
        return 1;
    }
    silence(nothing);
    set_title(argc, argv, "nginx: edge render");
    image::Hello hello;
    hello.pid = static_cast<std::uint32_t>(::getpid());
    if (!answer(socket, hello)) return 0;
    for (;;) {
        if (!wait_for(socket, POLLIN, kRestMs)) {
            release_memory();
            wait_for(socket, POLLIN);
        }
        image::Received received = image::receive(socket);
        if (received.kind == image::Received::Kind::nothing) continue;
        if (received.kind != image::Received::Kind::message) return 0;
        const auto* submit = std::get_if<image::Submit>(&received.message);
        if (submit == nullptr) continue;
        limit_cpu_time(submit->job.limits.time_ms);
        if (!work_on(socket, *submit, received.attached.get())) return 0;
        received.attached.reset();
    }
}

}

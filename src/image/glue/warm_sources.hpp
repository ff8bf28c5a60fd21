#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "image/glue/memory_file.hpp"
#include "image/job.hpp"
#include "nginx/ngx.hpp"

namespace edge::image {

/// A source that has been read out of a zone.
struct WarmSource {
    std::shared_ptr<const MemoryFile> file;
    std::uint64_t size = 0;
    Format format = Format::none;
    std::array<std::uint8_t, 32> fingerprint{};
};

/// ngx::Provenance::body: which body it is.
using BodyNumber = std::array<std::uint64_t, 2>;

/// The sources used last, so that the several sizes that a page asks for are not copied and hashed anew: a
/// few seconds after its last use each is forgotten, and 32 MB are kept at most. Of this worker.
const WarmSource* find_warm_source(const BodyNumber& body) noexcept;
/// May keep it. Throws std::bad_alloc.
void keep_warm_source(const BodyNumber& body, WarmSource source);
/// In a worker that ends.
void forget_warm_sources() noexcept;

}

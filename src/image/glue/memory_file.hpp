#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "image/sealed.hpp"

namespace edge::image {

/// A memfd that a worker holds, of a source or of a result. To free a large one takes milliseconds (0.2 for
/// each megabyte), so that the last hold of it is left to the supervisor.
class MemoryFile {
public:
    explicit MemoryFile(Descriptor file) noexcept : file_{std::move(file)} {}
    ~MemoryFile();
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    int get() const noexcept { return file_.get(); }

private:
    Descriptor file_;
};

/// Its bytes, which hold it.
class MemoryFileBytes {
public:
    /// Nothing when it is neither settled nor sealed, or on errors.
    static std::optional<MemoryFileBytes> map(std::shared_ptr<const MemoryFile> file) noexcept
    {
        auto bytes = SealedBytes::map(file->get());
        if (!bytes) return std::nullopt;
        return MemoryFileBytes{std::move(file), std::move(*bytes)};
    }
    std::span<const std::byte> bytes() const noexcept { return bytes_.bytes(); }

private:
    MemoryFileBytes(std::shared_ptr<const MemoryFile> file, SealedBytes bytes) noexcept
        : file_{std::move(file)}, bytes_{std::move(bytes)}
    {}

    std::shared_ptr<const MemoryFile> file_;
    SealedBytes bytes_;  // goes before the file, whose memory it would free
};

}

#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

/// Bytes that travel between processes: memfds sealed so that nobody can change what a parser is reading or
/// cut the file under a mapping.
namespace edge::image {

/// Owns a descriptor; -1 is none.
class Descriptor {
public:
    Descriptor() noexcept = default;
    explicit Descriptor(int fd) noexcept : fd_{fd} {}
    Descriptor(Descriptor&& other) noexcept : fd_{other.release()} {}
    Descriptor& operator=(Descriptor&& other) noexcept
    {
        reset(other.release());
        return *this;
    }
    ~Descriptor() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    int release() noexcept { return std::exchange(fd_, -1); }
    void reset(int fd = -1) noexcept;

private:
    int fd_ = -1;
};

/// An empty memfd that can be sealed, close-on-exec. Write into it, then seal(). None on error (errno).
Descriptor create_memfd(const char* name) noexcept;

/// Sealed against writing, growing, shrinking and further seals. False on error (errno), for example while a
/// writable mapping exists.
bool seal(int fd) noexcept;

bool is_sealed(int fd) noexcept;

/// What the writer of a large file does at once, for seal() looks at each of its pages: sealed against
/// growing, shrinking, and writing by all but those who have mapped it for that already. Who does not trust
/// the writer calls seal(). False on error (errno).
bool settle(int fd) noexcept;

/// By settle() or seal().
bool is_settled(int fd) noexcept;

/// create_memfd, the bytes, seal. None on error (errno).
Descriptor make_sealed(const char* name, std::span<const std::byte> bytes) noexcept;

/// Size of the file in bytes; nothing when `fd` is no sealed memfd.
std::optional<std::size_t> sealed_size(int fd) noexcept;

/// The bytes of a memfd that is settled or sealed, mapped read-only as long as this object lives.
class SealedBytes {
public:
    SealedBytes() noexcept = default;
    SealedBytes(SealedBytes&& other) noexcept : bytes_{std::exchange(other.bytes_, {})} {}
    SealedBytes& operator=(SealedBytes&& other) noexcept
    {
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~SealedBytes();

    /// Nothing when it is neither, or on errors. An empty file has empty bytes.
    static std::optional<SealedBytes> map(int fd) noexcept;

    std::span<const std::byte> bytes() const noexcept { return bytes_; }

private:
    std::span<const std::byte> bytes_;
};

}

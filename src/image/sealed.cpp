#include "image/sealed.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace edge::image {

namespace {

constexpr int kSize = F_SEAL_SHRINK | F_SEAL_GROW;
constexpr int kSeals = F_SEAL_SEAL | kSize | F_SEAL_WRITE;

std::optional<std::size_t> size_of(int fd) noexcept
{
    struct stat status {};
    if (::fstat(fd, &status) != 0) return std::nullopt;
    return static_cast<std::size_t>(status.st_size);
}

}

void Descriptor::reset(int fd) noexcept
{
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

Descriptor create_memfd(const char* name) noexcept
{
    return Descriptor{::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)};
}

bool seal(int fd) noexcept
{
    return ::fcntl(fd, F_ADD_SEALS, kSeals) == 0;
}

bool is_sealed(int fd) noexcept
{
    const int seals = ::fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & kSeals) == kSeals;
}

bool settle(int fd) noexcept
{
    if (::fcntl(fd, F_ADD_SEALS, kSize | F_SEAL_FUTURE_WRITE) == 0) return true;
    return errno == EINVAL && seal(fd);  // before Linux 5.1
}

bool is_settled(int fd) noexcept
{
    const int seals = ::fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & kSize) == kSize && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0;
}

Descriptor make_sealed(const char* name, std::span<const std::byte> bytes) noexcept
{
    Descriptor fd = create_memfd(name);
    if (!fd) return fd;
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return {};
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    if (!seal(fd.get())) return {};
    return fd;
}

std::optional<std::size_t> sealed_size(int fd) noexcept
{
    if (!is_sealed(fd)) return std::nullopt;
    return size_of(fd);
}

SealedBytes::~SealedBytes()
{
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

std::optional<SealedBytes> SealedBytes::map(int fd) noexcept
{
    const auto size = is_settled(fd) ? size_of(fd) : std::nullopt;
    if (!size) return std::nullopt;
    SealedBytes result;
    if (*size > 0) {
        void* at = ::mmap(nullptr, *size, PROT_READ, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) return std::nullopt;
        result.bytes_ = {static_cast<const std::byte*>(at), *size};
    }
    return result;
}

}

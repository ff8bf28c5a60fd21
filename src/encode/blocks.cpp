#include <algorithm>

#include "encode/encoder.hpp"

namespace edge::encode {

std::span<std::byte> Blocks::room()
{
    if (size_ == blocks_.size() * kBlockBytes) {
        blocks_.emplace_back(new std::byte[kBlockBytes]);
    }
    const std::size_t used = size_ % kBlockBytes;
    return {blocks_.back().get() + used, kBlockBytes - used};
}

std::span<const std::byte> Blocks::from(std::size_t position) const noexcept
{
    if (position >= size_) return {};
    const std::size_t within = position % kBlockBytes;
    return {blocks_[position / kBlockBytes].get() + within, std::min(kBlockBytes - within, size_ - position)};
}

}

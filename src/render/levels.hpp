#pragma once

#include <cstdint>
#include <span>

/// Which samples of a deep image become black and white, so that what an instrument measured can be seen.
namespace edge::render {

struct Levels {
    float low = 0;   ///< becomes 0
    float high = 1;  ///< becomes 255; always > low
};

/// The rule for automatic and data, the same for every size a result has: `low` is the value that 0.1 % of
/// the samples do not exceed, `high` the one that 99.9 % do not, so that a few hot or dead pixels change
/// nothing. An image of one value only is mapped so that it stays as dark as its type says.
///
/// automatic for 16 bits: when 99.9 % of the samples use a quarter of the type's range or less (cameras write
/// 12 or 14 bits into 16) the data give the range, else the type does: 0 … 65535.
Levels levels_of(std::span<const std::uint16_t> samples, bool automatic) noexcept;

/// Any values; what is not finite does not count. Nothing else is automatic: the data give the range.
Levels levels_of(std::span<const float> samples);

/// Replaces what is not finite by `value`, so that it does not spread when the image is scaled.
void replace_not_finite(std::span<float> samples, float value) noexcept;

}

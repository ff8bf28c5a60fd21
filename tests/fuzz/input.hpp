#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/field.hpp"

/// What the fuzz targets share: inputs in buffers of exactly their size, so that one byte read past the end
/// is an error AddressSanitizer sees; and a check that ends the run.
namespace edge::fuzz {

/// Ends the run with the place and the condition that does not hold.
#define FUZZ_CHECK(condition)                                                                   \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            std::fprintf(stderr, "ERROR: %s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                       \
        }                                                                                       \
    } while (false)

/// Copies that live as long as this object, each in an allocation of its own and of its own size.
class Copies {
public:
    std::string_view operator()(std::string_view text)
    {
        auto& copy = kept_.emplace_back(new char[text.size()]);
        if (!text.empty()) std::memcpy(copy.get(), text.data(), text.size());
        return {copy.get(), text.size()};
    }

private:
    std::vector<std::unique_ptr<char[]>> kept_;
};

/// Takes an input apart from the front: some numbers first, then text.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) noexcept
        : rest_{reinterpret_cast<const char*>(data), size}
    {}

    /// 0 when nothing is left.
    std::uint8_t byte() noexcept
    {
        if (rest_.empty()) return 0;
        const auto value = static_cast<std::uint8_t>(rest_.front());
        rest_.remove_prefix(1);
        return value;
    }
    bool flag() noexcept { return (byte() & 1) != 0; }
    template <class Integer>
    Integer number() noexcept
    {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < sizeof(Integer); ++i) value = value << 8 | byte();
        return static_cast<Integer>(value);
    }
    /// Up to the next newline, which is consumed.
    std::string_view line() noexcept
    {
        const std::size_t end = rest_.find('\n');
        const std::string_view line = rest_.substr(0, end);
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
        return line;
    }
    std::string_view rest() noexcept { return std::exchange(rest_, {}); }
    bool empty() const noexcept { return rest_.empty(); }

    /// Header lines, up to an empty line or the end; a line without colon is all name.
    std::vector<http::Field> fields(Copies& copies)
    {
        std::vector<http::Field> fields;
        while (!empty()) {
            const std::string_view text = line();
            if (text.empty()) break;
            const std::size_t colon = text.find(':');
            std::string_view value = colon == std::string_view::npos ? "" : text.substr(colon + 1);
            while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
            while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
            fields.push_back({copies(text.substr(0, colon)), copies(value)});
        }
        return fields;
    }

private:
    std::string_view rest_;
};

/// Whether `part` lies within `whole`.
inline bool within(std::string_view part, std::string_view whole) noexcept
{
    return part.empty() ||
           (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}

#include "status/memory_use.hpp"

#include <algorithm>
#include <charconv>

namespace edge::status {

namespace {

std::optional<std::uint64_t> number(std::string_view text) noexcept
{
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// "NAME:   123 kB" in bytes.
std::optional<std::uint64_t> line_of(std::string_view meminfo, std::string_view name) noexcept
{
    while (!meminfo.empty()) {
        std::string_view line = meminfo.substr(0, meminfo.find('\n'));
        meminfo.remove_prefix(std::min(line.size() + 1, meminfo.size()));
        if (!line.starts_with(name) || line.substr(name.size(), 1) != ":") continue;
        line.remove_prefix(name.size() + 1);
        while (line.starts_with(' ')) line.remove_prefix(1);
        if (!line.ends_with(" kB")) return std::nullopt;
        const auto value = number(line.substr(0, line.size() - 3));
        return value ? std::optional{*value * 1024} : std::nullopt;
    }
    return std::nullopt;
}

}

std::optional<std::string> cgroup_path(std::string_view text)
{
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (!line.starts_with("0::/")) continue;
        // A group outside of the namespace shows as /../x.
        if (line.find("/..") != line.npos) return std::nullopt;
        return std::string{line.substr(3)};
    }
    return std::nullopt;
}

std::optional<MemoryUse> cgroup_memory(std::string_view current, std::string_view max) noexcept
{
    const auto used = number(current), limit = number(max);
    if (!used || !limit || *limit == 0) return std::nullopt;
    return MemoryUse{*used, *limit};
}

std::optional<MemoryUse> machine_memory(std::string_view meminfo) noexcept
{
    const auto total = line_of(meminfo, "MemTotal"), available = line_of(meminfo, "MemAvailable");
    if (!total || !available || *total == 0 || *available > *total) return std::nullopt;
    return MemoryUse{*total - *available, *total};
}

}

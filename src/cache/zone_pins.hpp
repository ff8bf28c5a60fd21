#pragma once

#include <cstdint>
#include <map>

namespace edge::cache::zone {

/// How many pins this process holds of each entry and version of its meta: in its own memory, touched where
/// needed. One thread only.
class LocalPins {
public:
    LocalPins() noexcept = default;
    ~LocalPins();
    LocalPins(const LocalPins&) = delete;
    LocalPins& operator=(const LocalPins&) = delete;

    /// Makes room to count for ids below `entries`. false: no memory.
    bool open(std::uint32_t entries) noexcept;
    bool is_open() const noexcept { return counts_ != nullptr; }
    std::uint64_t total() const noexcept { return total_; }

    /// One more of the newest version. false: no memory to note it.
    bool add(std::uint32_t id, std::uint32_t version) noexcept
    {
        Count& count = counts_[id];
        if (count.held != 0 && count.version != version && !set_aside(id)) return false;
        count.version = version;
        ++count.held;
        ++total_;
        return true;
    }
    /// One more of a version that is held already, and may be an older one.
    void add_again(std::uint32_t id, std::uint32_t version) noexcept;

    struct Left {
        bool version;  ///< pins of this version remain
        bool entry;    ///< pins of any version remain
    };
    Left drop(std::uint32_t id, std::uint32_t version) noexcept
    {
        Count& count = counts_[id];
        --total_;
        if (count.held != 0 && count.version == version) {
            --count.held;
            const bool left = count.held != 0;
            return {left, left || (!others_.empty() && has_others(id))};
        }
        return drop_other(id, version);
    }

private:
    struct Count {
        std::uint32_t held, version;
    };
    bool set_aside(std::uint32_t id) noexcept;
    Left drop_other(std::uint32_t id, std::uint32_t version) noexcept;
    bool has_others(std::uint32_t id) const noexcept;

    Count* counts_ = nullptr;
    std::uint64_t bytes_ = 0;
    std::uint64_t total_ = 0;
    std::map<std::uint64_t, std::uint32_t> others_;  ///< older versions of the same entry
};

}

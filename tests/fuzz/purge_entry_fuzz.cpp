#include "cache/purge_entry.hpp"

#include "fuzz/input.hpp"

/// Any bytes as an entry of the log of purges: refused, or what says the same when it is encoded again; and
/// any text as an id.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace edge;
    fuzz::Copies copies;
    const std::string_view bytes = copies({reinterpret_cast<const char*>(data), size});
    if (const auto at = cache::parse_position(bytes)) {
        const auto again = cache::parse_position(cache::format_position(*at));
        FUZZ_CHECK(again && *again == *at);
    }
    const auto entry = cache::parse_purge(bytes);
    if (!entry) return 0;
    FUZZ_CHECK(entry->tags.size() * 8 + entry->prefixes.size() * 5 <= size);
    for (const std::uint64_t tag : entry->tags) FUZZ_CHECK(tag != 0);
    for (const std::string& prefix : entry->prefixes) FUZZ_CHECK(!prefix.empty());
    const std::string encoded = cache::encode_purge(*entry);
    FUZZ_CHECK(!encoded.empty());
    if (size <= cache::PurgeEntry::kMaxBytes / 2) FUZZ_CHECK(encoded == bytes);
    FUZZ_CHECK(cache::parse_purge(encoded).has_value());
    return 0;
}

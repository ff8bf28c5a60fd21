#include "cache/variant.hpp"

#include <cstring>
#include <string_view>

#include "http/list.hpp"
#include "http/token.hpp"

namespace edge::cache {

namespace {

struct Key {
    KeyHash response;
    std::uint64_t body;
    std::uint64_t coding;
};
static_assert(sizeof(Key) == 32);  // no padding: its bytes are hashed

bool says_no_transform(std::string_view cache_control) noexcept
{
    http::ListCursor directives{cache_control};
    while (const auto directive = directives.next()) {
        if (http::equal_fold(http::trim(directive->substr(0, directive->find('='))), "no-transform"))
            return true;
    }
    return false;
}

}

KeyHash variant_key_hash(const Zone& zone, const KeyHash& response, std::uint64_t body,
                         http::Coding coding) noexcept
{
    const Key key{response, body, static_cast<std::uint64_t>(coding)};
    return zone.hash({reinterpret_cast<const char*>(&key), sizeof(key)});
}

std::optional<VariantHead> read_variant(std::span<const std::byte> meta, std::uint64_t body,
                                        http::Coding coding) noexcept
{
    VariantHead head;
    if (meta.size() != sizeof(head)) return std::nullopt;
    std::memcpy(&head, meta.data(), sizeof(head));
    if (head.magic != VariantHead::kMagic || head.body != body ||
        head.coding != static_cast<std::uint8_t>(coding)) {
        return std::nullopt;
    }
    return head;
}

bool forbids_encoding(http::Fields fields) noexcept
{
    for (const http::Field& field : fields) {
        if (http::equal_fold(field.name, "Cache-Control")) {
            if (says_no_transform(field.value)) return true;
            continue;
        }
        for (const std::string_view name : {"Content-Encoding", "Content-MD5", "Digest", "Content-Digest",
                                            "Repr-Digest", "Signature", "Content-Range"}) {
            if (http::equal_fold(field.name, name)) return true;
        }
    }
    return false;
}

}

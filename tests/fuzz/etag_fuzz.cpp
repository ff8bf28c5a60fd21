#include "fuzz/input.hpp"
#include "http/etag.hpp"

using namespace edge;
using namespace edge::fuzz;
using http::EntityTag;

namespace {

bool same(const EntityTag& a, const EntityTag& b)
{
    return a.weak == b.weak && a.opaque == b.opaque;
}

std::string written(const EntityTag& tag)
{
    return std::string{tag.weak ? "W/\"" : "\""}.append(tag.opaque).append("\"");
}

std::vector<EntityTag> tags_of(std::string_view value)
{
    std::vector<EntityTag> tags;
    http::EntityTagCursor cursor{value};
    while (const auto tag = cursor.next()) {
        FUZZ_CHECK(within(tag->opaque, value));
        FUZZ_CHECK(tag->opaque.find('"') == std::string_view::npos);
        tags.push_back(*tag);
    }
    FUZZ_CHECK(!cursor.next());
    return tags;
}

}

/// Any bytes as one entity tag and as a list of them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Copies copies;
    const std::string_view value = copies({reinterpret_cast<const char*>(data), size});
    const auto tags = tags_of(value);
    if (const auto one = http::parse_entity_tag(value)) {
        FUZZ_CHECK(written(*one) == value);
        FUZZ_CHECK(tags.size() == 1 && same(tags.front(), *one));
    }
    std::string list;
    for (const EntityTag& tag : tags) {
        const auto again = http::parse_entity_tag(copies(written(tag)));
        FUZZ_CHECK(again && same(*again, tag));
        list.append(list.empty() ? "" : " ,, ").append(written(tag));
    }
    const auto again = tags_of(copies(list));
    FUZZ_CHECK(again.size() == tags.size());
    for (std::size_t i = 0; i < tags.size(); ++i) {
        FUZZ_CHECK(same(tags[i], again[i]));
        for (const EntityTag& other : {tags.front(), tags.back()}) {
            FUZZ_CHECK(!http::strong_match(tags[i], other) || http::weak_match(tags[i], other));
            FUZZ_CHECK(http::strong_match(tags[i], other) == http::strong_match(other, tags[i]));
        }
        FUZZ_CHECK(http::strong_match(tags[i], tags[i]) == !tags[i].weak);
    }
    return 0;
}

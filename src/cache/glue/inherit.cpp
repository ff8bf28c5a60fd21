#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include "cache/glue/request.hpp"
#include "nginx/detached.hpp"

/// Answers that are made of other answers: what they take over from them.
namespace edge::cache {

bool has_heirs(const Request& q) noexcept
{
    const ngx::DetachedTask* task = ngx::detached_task(q.r);
    return task != nullptr && task->provenance != nullptr;
}

void tell_provenance(const Request& q, const Lifetime& lifetime, std::uint64_t sequence,
                     const StoredTags& tags, std::optional<Stamp> stamp)
{
    ngx::Provenance provenance;
    if (stamp) provenance.body = {stamp->zone, stamp->object};
    for (const auto* list : {&tags.own, &tags.fields, &tags.groups})
        provenance.tags.insert(provenance.tags.end(), list->begin(), list->end());
    provenance.sequence = sequence;
    const auto* bytes = reinterpret_cast<const std::byte*>(&lifetime);
    provenance.lifetime.assign(bytes, bytes + sizeof(lifetime));
    *ngx::detached_task(q.r)->provenance = std::move(provenance);
}

std::optional<Lifetime> inherit(const Request& q, std::uint64_t& sequence, StoredTags& tags)
{
    const auto& source = q.derived->source;
    if (!source || source->lifetime.size() != sizeof(Lifetime)) return std::nullopt;
    sequence = std::min(sequence, source->sequence);
    for (const std::uint64_t tag : source->tags) {
        const auto lists = std::array{&tags.own, &tags.fields, &tags.groups};
        const bool known = std::any_of(lists.begin(), lists.end(), [tag](const auto* list) {
            return std::find(list->begin(), list->end(), tag) != list->end();
        });
        if (!known) tags.fields.push_back(tag);
    }
    Lifetime lifetime;
    std::memcpy(&lifetime, source->lifetime.data(), sizeof(lifetime));
    return lifetime;
}

}

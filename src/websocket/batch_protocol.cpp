#include "websocket/batch_protocol.hpp"

#include <algorithm>

#include "http/list.hpp"
#include "http/token.hpp"

namespace edge::websocket {

namespace {

constexpr std::size_t kMostMembers = 64;

}

void append_batch_entry(Buffer& out, bool binary, Bytes payload)
{
    std::uint64_t head = std::uint64_t{payload.size()} << 2 | (binary ? 1U : 0U);
    for (; head > 0x7F; head >>= 7) out.push_back(static_cast<Byte>(head | 0x80));
    out.push_back(static_cast<Byte>(head));
    out.insert(out.end(), payload.begin(), payload.end());
}

ProtocolOffer::ProtocolOffer(std::string_view value)
{
    std::vector<std::string_view> names;
    http::ListCursor members{value};
    std::size_t count = 0;
    while (const auto member = members.next()) {
        if (++count > kMostMembers) {
            bare_ = false;
            packed_.clear();
            for_upstream_ = value;
            return;
        }
        std::string_view name = *member;
        if (name == kBatchProtocol) {
            bare_ = true;
            continue;
        }
        if (name.size() > kBatchProtocol.size() + 1 && name.starts_with(kBatchProtocol) &&
            name[kBatchProtocol.size()] == '+' && http::is_token(name)) {
            name.remove_prefix(kBatchProtocol.size() + 1);
            packed_.emplace_back(name);
        }
        if (std::find(names.begin(), names.end(), name) != names.end()) continue;
        names.push_back(name);
        for_upstream_.append(for_upstream_.empty() ? "" : ", ").append(name);
    }
}

std::optional<std::string> ProtocolOffer::answer(std::string_view chosen) const
{
    if (chosen.empty()) return bare_ ? std::optional{std::string{kBatchProtocol}} : std::nullopt;
    if (std::find(packed_.begin(), packed_.end(), chosen) == packed_.end()) return std::nullopt;
    return std::string{kBatchProtocol}.append("+").append(chosen);
}

}

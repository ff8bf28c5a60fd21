#pragma once

#include <array>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "cache/policy.hpp"
#include "http/http_date.hpp"

/// What the tables of the policy tests are made of.
namespace policy_case {

using namespace edge;
using namespace edge::cache;
using Headers = std::vector<http::Field>;

/// Thu, 15 Jan 2026 12:00:00 GMT: the moment a test's response arrives.
inline constexpr Seconds kNow = 1768478400;

inline const PolicyConfig kPlain;
inline const RequestFacts kAnybody;

/// An IMF-fixdate so many seconds from kNow. The text lives as long as the program.
inline std::string_view at(Seconds offset)
{
    static std::vector<std::unique_ptr<std::string>> kept;
    std::array<char, http::kHttpDateLength> text{};
    http::format_http_date(kNow + offset, text);
    return *kept.emplace_back(std::make_unique<std::string>(text.data(), text.size()));
}

inline void print(std::ostream& out, const Headers& headers)
{
    for (const http::Field& field : headers) out << " | " << field.name << ": " << field.value;
}

inline ResponseFacts answer(const Headers& headers, std::uint16_t status = 200)
{
    return {.status = status, .fields = headers, .request_time = kNow, .response_time = kNow};
}

}

namespace edge::cache {

inline std::ostream& operator<<(std::ostream& out, NotStored reason)
{
    return out << reason_name(reason);
}

inline std::ostream& operator<<(std::ostream& out, Reuse reuse)
{
    constexpr std::array names = {"fresh", "stale_allowed", "stale_while_revalidate", "validate",
                                  "gateway_timeout"};
    return out << names.at(static_cast<std::size_t>(reuse));
}

inline std::ostream& operator<<(std::ostream& out, Forward forward)
{
    return out << '\'' << forward_name(forward) << '\'';
}

inline std::ostream& operator<<(std::ostream& out, Precondition precondition)
{
    constexpr std::array names = {"send", "not_modified", "failed"};
    return out << names.at(static_cast<std::size_t>(precondition));
}

inline std::ostream& operator<<(std::ostream& out, Method method)
{
    constexpr std::array names = {"get", "head", "safe_other", "unsafe"};
    return out << names.at(static_cast<std::size_t>(method));
}

}

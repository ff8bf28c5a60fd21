#include "redis/sentinel.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace edge::redis {

namespace {

using Type = Reply::Type;
using What = SentinelWatch::Task::What;

std::optional<HostPort> address_of(std::string_view host, std::string_view port)
{
    HostPort address;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc{} || end != port.data() + port.size() || address.port == 0) return std::nullopt;
    if (host.empty() || host.size() > 255 || host.find_first_of(" \r\n[]/@") != std::string_view::npos)
        return std::nullopt;
    address.host = host;
    return address;
}

}

std::optional<HostPort> parse_master_address(const Reply& answer)
{
    if (answer.elements.size() != 2) return std::nullopt;
    if (answer.elements[0].type != Type::string || answer.elements[1].type != Type::string)
        return std::nullopt;
    return address_of(answer.elements[0].text, answer.elements[1].text);
}

std::vector<HostPort> parse_replicas(const Reply& answer)
{
    std::vector<HostPort> replicas;
    for (const Reply& one : answer.elements) {
        std::string_view host;
        std::string_view port;
        bool up = true;
        for (std::size_t i = 0; i + 1 < one.elements.size(); i += 2) {
            const std::string_view name = one.elements[i].text;
            const std::string_view value = one.elements[i + 1].text;
            if (name == "ip") host = value;
            if (name == "port") port = value;
            if (name == "master-link-status" && value != "ok") up = false;
            if (name != "flags") continue;
            for (const std::string_view flag : {"s_down", "o_down", "disconnected"}) {
                if (value.find(flag) != std::string_view::npos) up = false;
            }
        }
        if (const auto address = address_of(host, port); address && up) replicas.push_back(*address);
    }
    return replicas;
}

Role parse_role(const Reply& answer) noexcept
{
    if (answer.elements.empty() || answer.elements[0].type != Type::string) return Role::unknown;
    const std::string_view role = answer.elements[0].text;
    if (role == "master") return Role::master;
    if (role == "slave") return Role::replica;
    return role == "sentinel" ? Role::sentinel : Role::unknown;
}

SentinelWatch::Task SentinelWatch::due(std::uint64_t now_ms)
{
    if (under_way_ != What::nothing) return {};
    if (candidate_) {
        under_way_ = What::verify;
        return {.what = What::verify, .server = *candidate_};
    }
    if (now_ms < not_before_) return {.again_at_ms = not_before_};
    under_way_ = What::ask;
    return {.what = What::ask, .sentinel = turn_};
}

void SentinelWatch::on_answer(std::uint64_t now_ms, std::optional<HostPort> master)
{
    if (under_way_ != What::ask) return;
    under_way_ = What::nothing;
    if (!master) {
        next_sentinel(now_ms);
        return;
    }
    if (settled_ && *master == master_) {
        again_ = false;
        not_before_ = now_ms + kRefreshMs;
        return;
    }
    candidate_ = std::move(master);
}

bool SentinelWatch::on_role(std::uint64_t now_ms, Role role)
{
    if (under_way_ != What::verify) return false;
    under_way_ = What::nothing;
    const std::optional<HostPort> found = std::exchange(candidate_, std::nullopt);
    if (role != Role::master) {
        settled_ = false;
        next_sentinel(now_ms);
        return false;
    }
    settled_ = !std::exchange(again_, false);
    pause_ = kPauseMs;
    asked_ = 0;
    not_before_ = now_ms + (settled_ ? kRefreshMs : kPauseMs);
    if (found == master_) return false;
    master_ = found;
    return true;
}

void SentinelWatch::on_trouble(std::uint64_t now_ms)
{
    if (under_way_ == What::verify) again_ = true;
    if (!settled_) return;
    settled_ = false;
    asked_ = 0;
    not_before_ = now_ms;
}

void SentinelWatch::next_sentinel(std::uint64_t now_ms)
{
    turn_ = (turn_ + 1) % sentinels_;
    if (++asked_ < sentinels_) {
        not_before_ = now_ms;
        return;
    }
    asked_ = 0;
    not_before_ = now_ms + pause_;
    pause_ = std::min(pause_ * 2, kMostPauseMs);
}

}

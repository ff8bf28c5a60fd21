#include "cache/purge_follower.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace edge::cache {

namespace {

constexpr std::uint64_t kRetry = 250;    ///< ms after a beat that failed
constexpr std::uint64_t kFirstPoll = 2;  ///< ms; doubled up to
constexpr std::uint64_t kSlowestPoll = 20;
constexpr std::size_t kBatchBytes = 256 * 1024;
constexpr std::uint64_t kLongestLease = 600'000;

/// A tenth on top, for clocks that run unevenly.
constexpr std::uint64_t with_margin(std::uint64_t lease) noexcept
{
    return lease + lease / 10 + 1;
}

std::string hex(std::uint64_t value)
{
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
    return {digits.data(), end};
}

/// "position lease …"; std::nullopt: something else.
std::optional<std::pair<LogPosition, std::uint64_t>> parse_record(std::string_view text) noexcept
{
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    const auto position = parse_position(text.substr(0, space));
    std::uint64_t lease = 0;
    const char* const from = text.data() + space + 1;
    const auto number = std::from_chars(from, text.data() + text.size(), lease);
    if (!position || number.ec != std::errc{} || lease > kLongestLease) return std::nullopt;
    return std::pair{*position, lease};
}

}

PurgeFollower::PurgeFollower(PurgeLog log, LogSink& sink, std::uint64_t lease, std::uint64_t now)
    : log_{log}, sink_{sink}, lease_{lease}, name_{hex(log.host())}, sent_ticket_{log.confirmed()}
{
    // What the one before had read back but not seen everywhere; the rest is sent once more.
    if (log_.everywhere() < log_.confirmed()) added_.push_back({log_.confirmed(), log_.position(), now});
}

std::string PurgeFollower::record() const
{
    return format_position(log_.position()) + " " + std::to_string(lease_) + " " + std::to_string(beats_);
}

std::uint64_t PurgeFollower::next_beat(std::uint64_t now) const noexcept
{
    return due_ > now ? due_ - now : 1;
}

std::optional<Beat> PurgeFollower::due_beat(std::uint64_t now)
{
    if (sent_) return std::nullopt;
    // What was added and is not there any more, as after a failover, is added again.
    if (log_.confirmed() < sent_ticket_ && log_.position() >= sent_to_) sent_ticket_ = log_.confirmed();
    const bool urgent = !failing_ && (tell_ || log_.last_ticket() > sent_ticket_);
    if (now < due_ && !urgent) return std::nullopt;
    PurgeLog::Batch batch = log_.queued(sent_ticket_, kBatchBytes);
    ++beats_;
    Beat beat{.host = name_, .record = record(), .known = log_.position(), .forget = {}, .entries = {}};
    beat.entries = std::move(batch.entries);
    for (const auto& [name, host] : hosts_) {
        if (host.present && now - host.changed > 10 * with_margin(host.lease))
            beat.forget.emplace_back(name, host.record);
    }
    beat_ticket_ = batch.last_ticket;
    tell_ = false;
    sent_ = now;
    return beat;
}

void PurgeFollower::failed(std::uint64_t now) noexcept
{
    if (!sent_) return;
    sent_.reset();
    sent_ticket_ = log_.confirmed();  // what may have been added is added again: twice is as good as once
    due_ = now + kRetry;
    failing_ = true;
    log_.count(PurgeLog::Count::failures);
}

void PurgeFollower::answered(std::uint64_t now, const BeatAnswer& answer)
{
    if (!sent_) return;
    const std::uint64_t sent = *sent_;
    sent_.reset();
    failing_ = false;
    if (beat_ticket_ > sent_ticket_) {
        sent_ticket_ = beat_ticket_;
        sent_to_ = answer.top;
        note_added(beat_ticket_, answer.top, now);
    }
    // In a young epoch hosts may be missing from the records: those that served by an earlier one's leases.
    const std::uint64_t longest = with_margin(lease_);
    if (answer.age * 1000 < longest + 1000) complete_from_ = std::max(complete_from_, now + longest);
    note_hosts(now, answer);
    const Proof proof{answer.top, sent};
    if (log_.position() >= proof.top) {
        prove(proof);
        proof_.reset();
    } else if (!proof_) {
        proof_ = proof;
    }
    settle(now);
    const std::uint64_t regular = lease_ / kBeatsInLease;
    poll_ = std::clamp(poll_ * 2, kFirstPoll, kSlowestPoll);
    due_ = now + (added_.empty() ? regular : std::min(poll_, regular));
}

void PurgeFollower::note_added(std::uint64_t ticket, LogPosition at, std::uint64_t now)
{
    if (ticket <= log_.everywhere() || (!added_.empty() && ticket <= added_.back().ticket)) return;
    added_.push_back({ticket, at, now});
    poll_ = 0;
}

void PurgeFollower::prove(const Proof& proof) noexcept
{
    log_.keep_in_touch(proof.sent + lease_ - lease_ / 10);
}

void PurgeFollower::note_hosts(std::uint64_t now, const BeatAnswer& answer)
{
    for (auto& [name, host] : hosts_) host.present = false;
    for (const auto& [name, record] : answer.hosts) {
        if (name == name_) continue;
        Host& host = hosts_[name];
        host.present = true;
        if (host.record == record) continue;
        const auto parsed = parse_record(record);
        host.record = record;
        host.changed = now;
        // One of another version: nothing is known of it but that it is there.
        host.position = parsed ? parsed->first : LogPosition{};
        host.lease = parsed ? parsed->second : lease_;
    }
    // Who vanished may have been made to: it counts until its lease is over.
    std::erase_if(hosts_, [&](const auto& each) { return !each.second.present && !lives(each.second, now); });
    const auto alive = std::count_if(hosts_.begin(), hosts_.end(),
                                     [&](const auto& each) { return lives(each.second, now); });
    log_.note_top(answer.top, static_cast<std::uint64_t>(alive) + 1);
}

bool PurgeFollower::lives(const Host& host, std::uint64_t now) const noexcept
{
    return now - host.changed <= with_margin(host.lease);
}

bool PurgeFollower::is_settled(const Added& added, std::uint64_t now) const noexcept
{
    if (now < complete_from_ && now < added.when + with_margin(lease_)) return false;
    return std::all_of(hosts_.begin(), hosts_.end(), [&](const auto& each) {
        const Host& host = each.second;
        return host.position >= added.at || !lives(host, now) || now >= added.when + with_margin(host.lease);
    });
}

void PurgeFollower::settle(std::uint64_t now)
{
    while (!added_.empty() && is_settled(added_.front(), now)) {
        log_.set_everywhere(added_.front().ticket);
        added_.pop_front();
    }
}

void PurgeFollower::replay(std::uint64_t now, std::span<const LogItem> items)
{
    for (const LogItem& item : items) take(now, item);
    if (proof_ && log_.position() >= proof_->top) {
        prove(*proof_);
        proof_.reset();
    }
}

void PurgeFollower::enter(const LogItem& item)
{
    log_.forget_position();
    log_.note_floor(item.at.number - 1);
    sink_.restart(item.at.number - 1);
    sink_.kill_all();
    // Own purges that were not read back in the old one may be missing from it.
    sent_ticket_ = log_.confirmed();
    complete_from_ = 0;
    log_.count(PurgeLog::Count::epochs);
    log_.set_position({item.at.epoch, item.at.number - 1});
}

void PurgeFollower::take(std::uint64_t now, const LogItem& item)
{
    const LogPosition here = log_.position();
    if (item.at <= here || item.at.number == 0) return;
    if (item.at.epoch != here.epoch) {
        enter(item);
    } else if (item.at.number != here.number + 1) {
        sink_.kill_all();
        sink_.raise_floor(item.at.number - 1);
        log_.note_floor(item.at.number - 1);
        log_.count(PurgeLog::Count::gaps);
    }
    if (!item.text.empty()) {
        if (const auto entry = parse_purge(item.text)) {
            const bool own = entry->host == log_.host();
            sink_.apply(*entry, item.at.number, own);
            if (own) {
                log_.confirm(entry->ticket);
                note_added(entry->ticket, item.at, now);
            } else {
                tell_ = tell_ || entry->sync;
            }
        } else {
            sink_.kill_all();
            sink_.raise_floor(item.at.number);
            log_.note_floor(item.at.number);
            log_.count(PurgeLog::Count::gaps);
        }
    }
    log_.set_position(item.at);
    log_.count(PurgeLog::Count::applied);
}

bool PurgeFollower::is_stuck(std::uint64_t now, std::uint64_t ms) const noexcept
{
    return proof_ && now > proof_->sent + ms;
}

}

#include "cache/glue/purge_feed.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <random>
#include <vector>

#include "nginx/barrier.hpp"
#include "nginx/wakeup.hpp"

namespace edge::cache {

namespace {

constexpr ngx_msec_t kLook = 250;    ///< ms: how often a worker looks whether the log needs a follower
constexpr ngx_msec_t kReopen = 250;  ///< ms after the reading connection was lost
constexpr ngx_msec_t kTrimEvery = 30'000;
constexpr unsigned kMostHops = 4;                 ///< without that pause, behind a log that moves
constexpr std::string_view kMostLines = "512";    ///< entries read at once
constexpr std::string_view kMostKept = "262144";  ///< entries in the log; four times what a table remembers

/// One beat (Beat, BeatAnswer), atomically. An epoch is, in decimal: seconds since 2023-11-14, six digits of
/// the replication id, four random ones.
///
/// KEYS: the log, the hosts' records. ARGV: host, record, known epoch, known number, four random digits, how
/// many records to forget, these (host, record), entries.
/// Answer: the log's last id, the epoch's age in seconds, hosts and records.
constexpr std::string_view kBeatScript = R"(
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end
local function seconds(epoch) return tonumber(string.sub(epoch, 1, -11)) or 0 end
local replication = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local mark = string.format('%06d', tonumber(string.sub(replication, 1, 5), 16) % 1000000)
local epoch, number = '0', 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  local stream = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #stream, 2 do
    if stream[i] == 'last-generated-id' then
      local e, n = string.match(stream[i + 1], '(%d+)-(%d+)')
      epoch, number = e, tonumber(n)
    end
  end
end
local now = tonumber(redis.call('TIME')[1]) - 1700000000
local known = ARGV[3]
if string.sub(epoch, -10, -5) ~= mark or #epoch < 11 or less(epoch, known) or
   (epoch == known and number < tonumber(ARGV[4])) then
  epoch = string.format('%d%s%s', math.max(now, seconds(epoch) + 1, seconds(known) + 1), mark, ARGV[5])
  number = 1
  redis.call('XADD', KEYS[1], epoch .. '-1', 'e', '')
end
local at = 7
for _ = 1, tonumber(ARGV[6]) do
  if redis.call('HGET', KEYS[2], ARGV[at]) == ARGV[at + 1] then redis.call('HDEL', KEYS[2], ARGV[at]) end
  at = at + 2
end
for i = at, #ARGV do
  local id = redis.call('XADD', KEYS[1], epoch .. '-*', 'e', ARGV[i])
  number = tonumber(string.match(id, '%-(%d+)'))
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return {epoch .. '-' .. string.format('%d', number), math.max(now - seconds(epoch), 0), redis.call('HGETALL', KEYS[2])}
)";

/// Takes away entries older than ARGV[1] seconds, never the last, up to ARGV[2] of them at a time.
///
/// An entry's time is its host's clock: the 8 bytes at 18 (cache/purge_entry.cpp).
constexpr std::string_view kTrimScript = R"(
local before = tonumber(redis.call('TIME')[1]) - tonumber(ARGV[1])
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', tonumber(ARGV[2]))
local keep
for i = 1, #oldest do
  local entry = oldest[i][2][2]
  local time = 0
  if #entry >= 26 then time = struct.unpack('<i8', string.sub(entry, 19, 26)) end
  if time >= before or i == #oldest then
    keep = oldest[i][1]
    break
  end
end
if not keep then return 0 end
return redis.call('XTRIM', KEYS[1], 'MINID', keep) + redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[3])
)";

std::string key_of(const redis::Settings& settings, std::string_view what)
{
    // One slot of a cluster for both.
    return settings.prefix + "{purges}:" + std::string{what};
}

std::optional<BeatAnswer> read_answer(const redis::Reply& reply)
{
    if (!reply.is_array() || reply.elements.size() != 3) return std::nullopt;
    const redis::Reply& hosts = reply.elements[2];
    const auto top = parse_position(reply.elements[0].text);
    if (!top || top->epoch == 0 || !reply.elements[1].is_integer() || !hosts.is_array()) return std::nullopt;
    BeatAnswer answer;
    answer.top = *top;
    answer.age = static_cast<std::uint64_t>(std::max<std::int64_t>(reply.elements[1].integer, 0));
    for (std::size_t i = 0; i + 1 < hosts.elements.size(); i += 2) {
        answer.hosts.emplace_back(hosts.elements[i].text, hosts.elements[i + 1].text);
    }
    return answer;
}

/// Of XREAD's [[key, [[id, [field, value]], …]]].
std::optional<std::vector<LogItem>> read_items(const redis::Reply& reply)
{
    std::vector<LogItem> items;
    if (reply.is_nil()) return items;  // nothing within BLOCK
    if (!reply.is_array() || reply.elements.size() != 1) return std::nullopt;
    const redis::Reply& stream = reply.elements[0];
    if (!stream.is_array() || stream.elements.size() != 2 || !stream.elements[1].is_array())
        return std::nullopt;
    for (const redis::Reply& entry : stream.elements[1].elements) {
        if (!entry.is_array() || entry.elements.size() != 2) return std::nullopt;
        const auto at = parse_position(entry.elements[0].text);
        if (!at) return std::nullopt;
        const redis::Reply& fields = entry.elements[1];
        // What somebody else has put there is no purge we understand: PurgeFollower takes it for the worst.
        const bool ours = fields.is_array() && fields.elements.size() == 2 && fields.elements[0].text == "e";
        items.push_back({*at, ours ? fields.elements[1].text : std::string_view{"?"}});
    }
    return items;
}

std::string random_digits()
{
    static thread_local std::minstd_rand random{std::random_device{}()};
    const std::string digits = std::to_string(random() % 10'000);
    return std::string(4 - digits.size(), '0') + digits;
}

}

PurgeFeed::PurgeFeed(PurgeLink& link, PurgeLog log, unsigned slot)
    : link_{link},
      log_{log},
      slot_{slot},
      log_key_{key_of(*link.redis, "log")},
      hosts_key_{key_of(*link.redis, "hosts")},
      beat_{[](void* self, const redis::Answer& answer) noexcept {
                static_cast<PurgeFeed*>(self)->take_beat(answer);
            },
            this},
      reading_{[](void* self, const redis::Answer& answer) noexcept {
                   static_cast<PurgeFeed*>(self)->take_entries(answer);
               },
               this},
      trimming_{[](void* self, const redis::Answer& answer) noexcept {
                    // There is more to be taken away than one call may.
                    if (answer.well() && answer.reply.integer > 500)
                        static_cast<PurgeFeed*>(self)->trim_at_ = ngx_current_msec;
                },
                this}
{}

PurgeFeed::~PurgeFeed()
{
    resign();
}

void PurgeFeed::start() noexcept
{
    timer_.arm(1);
}

void PurgeFeed::woken() noexcept
{
    if (follower_) tick();
}

void PurgeFeed::tick() noexcept
{
    ngx::guarded<int>(ngx_cycle->log, 0, [&] {
        act();
        return 0;
    });
    if (ngx_exiting) return;
    const std::uint64_t next = follower_ ? follower_->next_beat(touch_clock()) : kLook;
    timer_.arm(static_cast<ngx_msec_t>(std::min<std::uint64_t>(next, kLook)));
}

void PurgeFeed::act()
{
    if (ngx_exiting) {
        if (!in_reader_) resign();
        return;
    }
    if (!follower_) lead();
    if (!follower_) return;
    // One that was just made has its time too.
    const ngx_msec_t patience = link_.redis->cut_off / 4;
    if (reader_ != nullptr && static_cast<ngx_msec_int_t>(ngx_current_msec - opened_at_ - patience) > 0 &&
        follower_->is_stuck(touch_clock(), patience)) {
        reopen(kReopen);
    }
    send_beat();
    read();
    trim();
    wake_waiting();
}

void PurgeFeed::lead()
{
    if (!log_.lead(slot_)) return;
    // A zone that a reload has linked: nobody followed the log for it until now.
    const LogPosition here = log_.position();
    for (ZoneBinding* zone : link_.zones) {
        if (here.epoch == 0 || !zone->following.is_barred()) continue;
        zone->following.restart(here.number);
        zone->purges.purge({.tags = {}, .prefixes = {}, .all = true, .soft = false, .now = ngx_time()});
    }
    follower_.emplace(log_, *this, link_.redis->cut_off, touch_clock());
    trim_at_ = ngx_current_msec + kTrimEvery;
    ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0, "edge: this worker follows the purges in redis \"%s\"",
                  link_.redis->name.c_str());
}

void PurgeFeed::resign() noexcept
{
    if (!follower_) return;
    beat_.cancel();
    reading_.cancel();
    trimming_.cancel();
    reader_.reset();
    next_reader_.reset();
    follower_.reset();
    log_.stop_leading();
}

void PurgeFeed::send_beat()
{
    const auto beat = follower_->due_beat(touch_clock());
    if (!beat) return;
    const std::string epoch = std::to_string(beat->known.epoch);
    const std::string number = std::to_string(beat->known.number);
    const std::string digits = random_digits();
    const std::string forget = std::to_string(beat->forget.size());
    std::vector<std::string_view> words{"EVAL",       kBeatScript, "2",    log_key_, hosts_key_, beat->host,
                                        beat->record, epoch,       number, digits,   forget};
    for (const auto& [host, record] : beat->forget) {
        words.push_back(host);
        words.push_back(record);
    }
    words.insert(words.end(), beat->entries.begin(), beat->entries.end());
    redis::Client* client = redis::client_of(link_.redis);
    const bool sent = client != nullptr &&
                      client->send(&beat_, log_key_, redis::Access::write, redis::Command{std::span{words}});
    if (!sent) {
        follower_->failed(touch_clock());
        report(false, "not connected");
    }
}

void PurgeFeed::take_beat(const redis::Answer& answer) noexcept
{
    ngx::guarded<int>(ngx_cycle->log, 0, [&] {
        if (!follower_) return 0;
        const auto read = answer.well() ? read_answer(answer.reply) : std::nullopt;
        if (read) {
            follower_->answered(touch_clock(), *read);
            report(true, {});
            // The log is not where it is being read any more, and no word of that comes to who waits there.
            if (reader_ != nullptr && &reader_->node() != &answer.node) reopen(0);
        } else {
            follower_->failed(touch_clock());
            report(false, answer.failure == redis::Failure::error_reply
                              ? answer.reply.text
                              : redis::failure_name(answer.failure));
        }
        return 0;
    });
    tick();
}

/// Once for each change.
void PurgeFeed::report(bool reaches, std::string_view why) noexcept
{
    if (reaches == reaches_) return;
    reaches_ = reaches;
    if (reaches) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0, "edge: purges through redis \"%s\" go on",
                      link_.redis->name.c_str());
    } else {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "edge: no purges through redis \"%s\": %*s; what has tags is asked of the origin after "
                      "%M ms",
                      link_.redis->name.c_str(), why.size(), why.data(), link_.redis->cut_off);
    }
}

void PurgeFeed::reopen(ngx_msec_t pause) noexcept
{
    if (reopen_) return;
    reopen_ = true;
    reopen_at_ = ngx_current_msec + pause;
}

void PurgeFeed::read()
{
    if (reopen_) {
        if (in_reader_) return;
        if (reading_.under_way()) reading_.cancel();
        reader_ = std::move(next_reader_);
        reopen_ = false;
        opened_at_ = ngx_current_msec;
    }
    if (reading_.under_way()) return;
    if (reader_ == nullptr && !make_reader()) return;
    if (asking_) {
        redis::Client* client = redis::client_of(link_.redis);
        asking_ = client == nullptr || client->node_for(log_key_, redis::Access::write) != &reader_->node();
    }
    const std::string from = format_position(follower_->read_from());
    const std::string block = std::to_string(link_.redis->cut_off);
    const ngx_msec_t patience = 2 * link_.redis->cut_off;
    const bool sent =
        (!asking_ || reader_->send(nullptr, redis::Command{"ASKING"}, patience)) &&
        reader_->send(&reading_, {"XREAD", "COUNT", kMostLines, "BLOCK", block, "STREAMS", log_key_, from},
                      patience);
    if (!sent) reopen(kReopen);
}

bool PurgeFeed::make_reader()
{
    if (static_cast<ngx_msec_int_t>(reopen_at_ - ngx_current_msec) > 0) return false;
    redis::Client* client = redis::client_of(link_.redis);
    redis::Node* node = client != nullptr ? client->node_for(log_key_, redis::Access::write) : nullptr;
    if (node == nullptr) return false;
    reader_ = node->dedicated();
    opened_at_ = ngx_current_msec;
    asking_ = false;
    return true;
}

/// What came is no entry of the log: makes the next connection, where that says who has it.
void PurgeFeed::follow(const redis::Answer& answer)
{
    reopen(kReopen);
    redis::Client* client = redis::client_of(link_.redis);
    if (client == nullptr || answer.well()) return;
    const redis::Topology::Redirect to = client->heed(answer, log_key_);
    if (to.node == nullptr || answer.failure != redis::Failure::error_reply || ++hops_ > kMostHops) return;
    next_reader_ = to.node->dedicated();
    asking_ = to.asking;
}

void PurgeFeed::take_entries(const redis::Answer& answer) noexcept
{
    ngx::guarded<int>(ngx_cycle->log, 0, [&] {
        if (!follower_) return 0;
        const auto items = answer.well() ? read_items(answer.reply) : std::nullopt;
        if (items) {
            hops_ = 0;
            follower_->replay(touch_clock(), *items);
        } else {
            follow(answer);
        }
        return 0;
    });
    timer_.arm(1);
    if (reopen_) return;
    in_reader_ = true;
    tick();
    in_reader_ = false;
    if (reopen_ || ngx_exiting) timer_.arm(1);
}

void PurgeFeed::trim()
{
    if (static_cast<ngx_msec_int_t>(trim_at_ - ngx_current_msec) > 0 || trimming_.under_way()) return;
    trim_at_ = ngx_current_msec + kTrimEvery;
    const std::string keep = std::to_string(link_.redis->keep_purges);
    redis::Client* client = redis::client_of(link_.redis);
    if (client == nullptr) return;
    static_cast<void>(
        client->send(&trimming_, log_key_, redis::Access::write,
                     redis::Command{"EVAL", kTrimScript, "1", log_key_, keep, "1000", kMostKept}));
}

void PurgeFeed::wake_waiting() noexcept
{
    const std::uint64_t now = log_.everywhere();
    if (now == everywhere_) return;
    everywhere_ = now;
    const PurgeLog::Slots slots = log_.take_awaiting();
    for (unsigned word = 0; word < slots.size(); ++word) {
        for (std::uint64_t bits = slots[word]; bits != 0; bits &= bits - 1) {
            ngx::wake(word * 64 + static_cast<unsigned>(__builtin_ctzll(bits)));
        }
    }
}

void PurgeFeed::apply(const PurgeEntry& entry, std::uint64_t number, bool own)
{
    const std::vector<std::string_view> prefixes{entry.prefixes.begin(), entry.prefixes.end()};
    const PurgeTable::Order order{
        .tags = entry.tags, .prefixes = prefixes, .all = entry.all, .soft = entry.soft, .now = entry.time};
    for (ZoneBinding* zone : link_.zones) {
        const bool named =
            entry.zone.empty() ||
            entry.zone == std::string_view{reinterpret_cast<const char*>(zone->name.data), zone->name.len};
        if (!named) continue;
        if (!own) zone->purges.purge(order);
        zone->following.purge_as(number, order);
    }
}

void PurgeFeed::kill_all()
{
    for (ZoneBinding* zone : link_.zones)
        zone->purges.purge({.tags = {}, .prefixes = {}, .all = true, .soft = false, .now = ngx_time()});
}

void PurgeFeed::raise_floor(std::uint64_t number)
{
    for (ZoneBinding* zone : link_.zones) zone->following.raise_floor(number);
}

void PurgeFeed::restart(std::uint64_t number)
{
    for (ZoneBinding* zone : link_.zones) zone->following.restart(number);
}

}

#include "http/http_date.hpp"

#include <algorithm>
#include <array>

#include "http/token.hpp"

namespace edge::http {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
constexpr std::array<std::string_view, 7> kLongDays = {"Thursday", "Friday",  "Saturday", "Sunday",
                                                       "Monday",   "Tuesday", "Wednesday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::int64_t kDay = 86400;

struct Civil {
    std::int64_t year = 0;
    int month = 1;  // 1 to 12
    int day = 1;
    int hour = 0;
    int minute = 0;
    int second = 0;
};

constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

// The proleptic Gregorian calendar, counted in years that begin on 1 March so that leap days come last.
constexpr std::int64_t days_from_civil(std::int64_t year, int month, int day)
{
    const std::int64_t y = year - (month <= 2 ? 1 : 0);
    const std::int64_t era = floor_div(y, 400);
    const std::int64_t year_of_era = y - era * 400;
    const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

constexpr Civil civil_from_time(std::int64_t time)
{
    const std::int64_t days = floor_div(time, kDay);
    const std::int64_t shifted = days + 719468;
    const std::int64_t era = floor_div(shifted, 146097);
    const std::int64_t day_of_era = shifted - era * 146097;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int march_month = static_cast<int>((5 * day_of_year + 2) / 153);
    const int month = march_month < 10 ? march_month + 3 : march_month - 9;
    const auto left = static_cast<int>(time - days * kDay);
    return {.year = year_of_era + era * 400 + (month <= 2 ? 1 : 0),
            .month = month,
            .day = static_cast<int>(day_of_year) - (153 * march_month + 2) / 5 + 1,
            .hour = left / 3600,
            .minute = left / 60 % 60,
            .second = left % 60};
}

constexpr std::int64_t time_from_civil(const Civil& c)
{
    return days_from_civil(c.year, c.month, c.day) * kDay + c.hour * 3600 + c.minute * 60 + c.second;
}

constexpr bool is_leap(std::int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

constexpr int days_in_month(std::int64_t year, int month)
{
    if (month == 2) return is_leap(year) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static_assert(days_from_civil(1970, 1, 1) == 0 && days_from_civil(2000, 3, 1) == 11017);

// Takes the grammar's pieces from the front; one that does not fit makes `ok` false for good.
class Reader {
public:
    explicit Reader(std::string_view text) : rest_{text} {}

    template <std::size_t N>
    int name(const std::array<std::string_view, N>& names)
    {
        for (std::size_t i = 0; i < N; ++i) {
            if (equal_fold(rest_.substr(0, names[i].size()), names[i])) {
                rest_.remove_prefix(names[i].size());
                return static_cast<int>(i);
            }
        }
        ok_ = false;
        return 0;
    }

    void literal(std::string_view text)
    {
        if (equal_fold(rest_.substr(0, text.size()), text))
            rest_.remove_prefix(text.size());
        else
            ok_ = false;
    }

    int digits(std::size_t count)
    {
        if (rest_.size() < count) ok_ = false;
        int value = 0;
        for (std::size_t i = 0; ok_ && i < count; ++i) {
            if (!is_digit(rest_[i])) ok_ = false;
            value = value * 10 + (rest_[i] - '0');
        }
        if (ok_) rest_.remove_prefix(count);
        return ok_ ? value : 0;
    }

    void clock(Civil& c)
    {
        c.hour = digits(2);
        literal(":");
        c.minute = digits(2);
        literal(":");
        c.second = digits(2);
    }

    bool at_space() const { return !rest_.empty() && rest_.front() == ' '; }
    bool finished() const { return ok_ && rest_.empty(); }

private:
    std::string_view rest_;
    bool ok_ = true;
};

std::optional<std::int64_t> checked(const Reader& reader, const Civil& c)
{
    if (!reader.finished()) return std::nullopt;
    if (c.day < 1 || c.day > days_in_month(c.year, c.month)) return std::nullopt;
    if (c.hour > 23 || c.minute > 59 || c.second > 60) return std::nullopt;
    return time_from_civil(c);
}

std::optional<std::int64_t> parse_imf_fixdate(std::string_view text)
{
    Reader in{text};
    Civil c;
    in.name(kDays);
    in.literal(", ");
    c.day = in.digits(2);
    in.literal(" ");
    c.month = in.name(kMonths) + 1;
    in.literal(" ");
    c.year = in.digits(4);
    in.literal(" ");
    in.clock(c);
    in.literal(" GMT");
    return checked(in, c);
}

std::optional<std::int64_t> parse_rfc850(std::string_view text, std::int64_t now)
{
    Reader in{text};
    Civil c;
    in.name(kLongDays);
    in.literal(", ");
    c.day = in.digits(2);
    in.literal("-");
    c.month = in.name(kMonths) + 1;
    in.literal("-");
    const int short_year = in.digits(2);
    in.literal(" ");
    in.clock(c);
    in.literal(" GMT");
    if (!in.finished()) return std::nullopt;

    // A clock outside the range of HTTP-date would take the arithmetic out of its own range.
    Civil limit =
        civil_from_time(std::clamp(now, time_from_civil({.year = 100}), time_from_civil({.year = 9900})));
    limit.year += 50;
    c.year = limit.year - limit.year % 100 + short_year;
    if (time_from_civil(c) > time_from_civil(limit)) c.year -= 100;
    return checked(in, c);
}

std::optional<std::int64_t> parse_asctime(std::string_view text)
{
    Reader in{text};
    Civil c;
    in.name(kDays);
    in.literal(" ");
    c.month = in.name(kMonths) + 1;
    in.literal(" ");
    if (in.at_space()) {
        in.literal(" ");
        c.day = in.digits(1);
    } else {
        c.day = in.digits(2);
    }
    in.literal(" ");
    in.clock(c);
    in.literal(" ");
    c.year = in.digits(4);
    return checked(in, c);
}

}

std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now) noexcept
{
    if (text.size() > 3 && text[3] == ',') return parse_imf_fixdate(text);
    if (text.size() > 3 && text[3] == ' ') return parse_asctime(text);
    return parse_rfc850(text, now);
}

void format_http_date(std::int64_t time, std::span<char, kHttpDateLength> out) noexcept
{
    constexpr std::int64_t kFirst = days_from_civil(0, 1, 1) * kDay;
    constexpr std::int64_t kLast = days_from_civil(10000, 1, 1) * kDay - 1;
    const std::int64_t clamped = std::clamp(time, kFirst, kLast);
    const Civil c = civil_from_time(clamped);
    const std::int64_t days = floor_div(clamped, kDay);

    char* at = out.data();
    const auto text = [&at](std::string_view s) { at = std::copy(s.begin(), s.end(), at); };
    const auto digits = [&at](std::int64_t value, int count) {
        for (int i = count; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
        at += count;
    };
    text(kDays[static_cast<std::size_t>(days - floor_div(days, 7) * 7)]);
    text(", ");
    digits(c.day, 2);
    text(" ");
    text(kMonths[static_cast<std::size_t>(c.month - 1)]);
    text(" ");
    digits(c.year, 4);
    text(" ");
    digits(c.hour, 2);
    text(":");
    digits(c.minute, 2);
    text(":");
    digits(c.second, 2);
    text(" GMT");
}

}

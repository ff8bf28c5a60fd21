#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// What both renderers write with. All of them append and throw std::bad_alloc only.
namespace edge::status {

void append_integer(std::string& out, std::int64_t value);
void append_integer(std::string& out, std::uint64_t value);

/// `microseconds` as a decimal number of seconds: exact, no exponent, no trailing zeros.
void append_seconds(std::string& out, std::uint64_t microseconds);

/// `text`, any bytes, as a JSON string with its quotes (RFC 8259 section 7). The result is valid UTF-8: a
/// byte that belongs to no well-formed sequence (RFC 3629) reads \xNN.
void append_json_string(std::string& out, std::string_view text);

/// `text`, any bytes, as a label value of the Prometheus text format with its quotes. Control characters
/// other than the line feed, and bytes that are not UTF-8, read \xNN.
void append_label_value(std::string& out, std::string_view text);

}

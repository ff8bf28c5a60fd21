#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// Structured field values (RFC 9651, which includes RFC 8941): parsing, strict as section 4.2 demands. One
/// mistake anywhere makes the whole field std::nullopt. Lines of one field are to be joined with ", " before
/// (4.2).
///
/// Limits: the standard's own; length is bounded by the caller's input, nesting by the syntax. Results own
/// their text.
namespace edge::http::sf {

/// Three fractional digits at most: the value in thousandths.
struct Decimal {
    std::int64_t thousandths = 0;
    friend bool operator==(const Decimal&, const Decimal&) = default;
};

struct String {
    std::string text;  ///< printable ASCII, escapes resolved
    friend bool operator==(const String&, const String&) = default;
};

struct Token {
    std::string text;
    friend bool operator==(const Token&, const Token&) = default;
};

struct ByteSequence {
    std::string bytes;  ///< decoded
    friend bool operator==(const ByteSequence&, const ByteSequence&) = default;
};

struct Date {
    std::int64_t seconds = 0;  ///< Unix time
    friend bool operator==(const Date&, const Date&) = default;
};

struct DisplayString {
    std::string text;  ///< UTF-8, valid
    friend bool operator==(const DisplayString&, const DisplayString&) = default;
};

/// std::int64_t is the Integer, of at most 15 digits; bool the Boolean.
using BareItem = std::variant<std::int64_t, Decimal, String, Token, ByteSequence, bool, Date, DisplayString>;

struct Parameter {
    std::string key;
    BareItem value;
    friend bool operator==(const Parameter&, const Parameter&) = default;
};

/// In order, each key once; of several values the last is kept, in the place of the first.
using Parameters = std::vector<Parameter>;

struct Item {
    BareItem value;
    Parameters parameters;
    friend bool operator==(const Item&, const Item&) = default;
};

struct InnerList {
    std::vector<Item> items;
    Parameters parameters;
    friend bool operator==(const InnerList&, const InnerList&) = default;
};

using Member = std::variant<Item, InnerList>;
using List = std::vector<Member>;

struct DictionaryMember {
    std::string key;
    Member value;
    friend bool operator==(const DictionaryMember&, const DictionaryMember&) = default;
};

/// In order, each key once, as Parameters.
using Dictionary = std::vector<DictionaryMember>;

std::optional<Item> parse_item(std::string_view text);
/// An empty text is an empty list, as is an absent field.
std::optional<List> parse_list(std::string_view text);
std::optional<Dictionary> parse_dictionary(std::string_view text);

}

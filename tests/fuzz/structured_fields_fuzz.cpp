#include <array>

#include "fuzz/input.hpp"
#include "http/structured_fields.hpp"

using namespace edge;
using namespace edge::fuzz;
using namespace edge::http;

namespace {

constexpr std::int64_t kLargest = 999'999'999'999'999;

/// Serialising after RFC 9651 section 4.1, as plain as can be.
class Writer {
public:
    explicit Writer(std::string& out) : out_{out} {}

    void operator()(std::int64_t value)
    {
        FUZZ_CHECK(value >= -kLargest && value <= kLargest);
        out_ += std::to_string(value);
    }
    void operator()(const sf::Decimal& value)
    {
        const std::int64_t size = std::abs(value.thousandths);
        FUZZ_CHECK(size <= kLargest);
        if (value.thousandths < 0) out_ += '-';
        std::array<char, 32> text;
        std::snprintf(text.data(), text.size(), "%lld.%03lld", static_cast<long long>(size / 1000),
                      static_cast<long long>(size % 1000));
        out_ += text.data();
    }
    void operator()(const sf::String& value)
    {
        out_ += '"';
        for (const char c : value.text) {
            FUZZ_CHECK(c >= 0x20 && c < 0x7f);
            if (c == '"' || c == '\\') out_ += '\\';
            out_ += c;
        }
        out_ += '"';
    }
    void operator()(const sf::Token& value) { out_ += value.text; }
    void operator()(const sf::ByteSequence& value)
    {
        static constexpr std::string_view kDigits =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const std::string& bytes = value.bytes;
        out_ += ':';
        for (std::size_t i = 0; i < bytes.size(); i += 3) {
            std::uint32_t group = 0;
            for (std::size_t k = 0; k < 3; ++k) {
                group = group << 8 | (i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0U);
            }
            for (std::size_t k = 0; k < 4; ++k)
                out_ += i + k <= bytes.size() ? kDigits[group >> (18 - 6 * k) & 63] : '=';
        }
        out_ += ':';
    }
    void operator()(bool value) { out_ += value ? "?1" : "?0"; }
    void operator()(const sf::Date& value)
    {
        out_ += '@';
        (*this)(value.seconds);
    }
    void operator()(const sf::DisplayString& value)
    {
        out_ += "%\"";
        for (const char c : value.text) {
            if (c >= 0x20 && c < 0x7f && c != '%' && c != '"') {
                out_ += c;
                continue;
            }
            std::array<char, 8> text;
            std::snprintf(text.data(), text.size(), "%%%02x",
                          static_cast<unsigned>(static_cast<std::uint8_t>(c)));
            out_ += text.data();
        }
        out_ += '"';
    }
    void operator()(const sf::Parameters& parameters)
    {
        for (const auto& parameter : parameters) {
            out_.append(";").append(parameter.key).append("=");
            std::visit(*this, parameter.value);
        }
    }
    void operator()(const sf::Item& item)
    {
        std::visit(*this, item.value);
        (*this)(item.parameters);
    }
    void operator()(const sf::InnerList& list)
    {
        out_ += '(';
        for (const auto& item : list.items) {
            if (&item != &list.items.front()) out_ += ' ';
            (*this)(item);
        }
        out_ += ')';
        (*this)(list.parameters);
    }

private:
    std::string& out_;
};

}

/// Any bytes as each of the three kinds of field; what is read, written and read again is the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Copies copies;
    const std::string_view text = copies({reinterpret_cast<const char*>(data), size});
    std::string out;
    Writer write{out};

    const auto list = sf::parse_list(text);
    if (const auto item = sf::parse_item(text)) {
        write(*item);
        FUZZ_CHECK(sf::parse_item(copies(out)) == item);
        FUZZ_CHECK(list && list->size() == 1 && std::get<sf::Item>(list->front()) == *item);
    }
    if (list) {
        out.clear();
        for (const auto& member : *list) {
            if (!out.empty()) out += ", ";
            std::visit(write, member);
        }
        FUZZ_CHECK(sf::parse_list(copies(out)) == list);
    }
    if (const auto dictionary = sf::parse_dictionary(text)) {
        out.clear();
        for (const auto& member : *dictionary) {
            if (!out.empty()) out += ",";
            out.append(member.key).append("=");
            std::visit(write, member.value);
        }
        FUZZ_CHECK(sf::parse_dictionary(copies(out)) == dictionary);
    }
    return 0;
}

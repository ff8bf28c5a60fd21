#include <algorithm>
#include <map>

#include "fuzz/input.hpp"
#include "http/query.hpp"

using namespace edge;
using namespace edge::fuzz;

namespace {

using Items = std::vector<std::string>;

Items items_of(std::string_view query)
{
    Items items;
    std::string item;
    for (const char c : std::string{query} + "&") {
        if (c != '&') {
            item += c;
        } else if (!item.empty()) {
            items.push_back(std::exchange(item, {}));
        }
    }
    return items;
}

std::string name_of(const std::string& item)
{
    return item.substr(0, item.find('='));
}

/// The items of each name in their order.
std::map<std::string, Items> by_name(const Items& items)
{
    std::map<std::string, Items> names;
    for (const std::string& item : items) names[name_of(item)].push_back(item);
    return names;
}

}

/// A choice of rules, a line of names, then a query.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using Names = http::QueryRules::Names;
    Input in{data, size};
    Copies copies;
    http::QueryRules rules;
    const std::uint8_t bits = in.byte();
    rules.names = static_cast<Names>((bits & 3) % 3);
    rules.sort = (bits & 4) != 0;
    for (std::string_view names = in.line(); !names.empty();) {
        const std::size_t end = std::min(names.find(','), names.size());
        rules.list.emplace_back(names.substr(0, end));
        names.remove_prefix(std::min(end + 1, names.size()));
    }
    const std::string_view query = copies(in.rest());
    const std::string result = http::normalise_query(query, rules);
    FUZZ_CHECK(http::normalise_query(copies(result), rules) == result);
    if (rules.keep_all()) {
        FUZZ_CHECK(result == query);
        return 0;
    }

    // Of each name all items or none, in their order; those of other names are not mixed up with them.
    const Items before = items_of(query);
    const Items after = items_of(result);
    const auto had = by_name(before);
    const auto has = by_name(after);
    for (const auto& [name, items] : had) {
        const bool named = http::names_argument(rules.list, name);
        const bool stays = rules.names == Names::all || named == (rules.names == Names::only);
        FUZZ_CHECK(has.contains(name) == stays);
        if (stays) FUZZ_CHECK(has.at(name) == items);
    }
    for (const auto& [name, items] : has) FUZZ_CHECK(had.contains(name));
    if (rules.sort) {
        FUZZ_CHECK(std::is_sorted(after.begin(), after.end(), [](const std::string& a, const std::string& b) {
            return name_of(a) < name_of(b);
        }));
    } else {
        auto at = before.begin();
        for (const std::string& item : after) {
            at = std::find(at, before.end(), item);
            FUZZ_CHECK(at != before.end());
            ++at;
        }
    }
    // Where names are brought into any other order, the same key comes out.
    if (rules.sort) {
        std::string shuffled;
        for (auto at = had.rbegin(); at != had.rend(); ++at)
            for (const std::string& item : at->second) shuffled.append("&").append(item);
        FUZZ_CHECK(http::normalise_query(copies(shuffled), rules) == result);
    }
    const std::string target = http::normalise_target(copies("/p?" + std::string{query}), rules);
    FUZZ_CHECK(target == (result.empty() ? "/p" : "/p?" + result));
    return 0;
}

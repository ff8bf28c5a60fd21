#include "http/query.hpp"

#include <algorithm>

namespace edge::http {

namespace {

std::string_view name_of(std::string_view item) noexcept
{
    return item.substr(0, item.find('='));
}

bool kept(std::string_view item, const QueryRules& rules) noexcept
{
    if (item.empty()) return false;
    if (rules.names == QueryRules::Names::all) return true;
    return names_argument(rules.list, name_of(item)) == (rules.names == QueryRules::Names::only);
}

}

bool names_argument(const std::vector<std::string>& list, std::string_view name) noexcept
{
    return std::any_of(list.begin(), list.end(), [name](const std::string& entry) {
        std::string_view wanted = entry;
        if (!wanted.ends_with('*')) return name == wanted;
        wanted.remove_suffix(1);
        return name.starts_with(wanted);
    });
}

std::string normalise_query(std::string_view query, const QueryRules& rules)
{
    if (rules.keep_all()) return std::string{query};
    std::vector<std::string_view> items;
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view item = query.substr(0, end);
        if (kept(item, rules)) items.push_back(item);
        query.remove_prefix(std::min(end + 1, query.size()));
    }
    if (rules.sort) {
        std::stable_sort(items.begin(), items.end(),
                         [](std::string_view a, std::string_view b) { return name_of(a) < name_of(b); });
    }
    std::string result;
    for (const std::string_view item : items) result.append(result.empty() ? "" : "&").append(item);
    return result;
}

std::string normalise_target(std::string_view path_and_query, const QueryRules& rules)
{
    const std::size_t question = path_and_query.find('?');
    if (rules.keep_all() || question == std::string_view::npos) return std::string{path_and_query};
    std::string result{path_and_query.substr(0, question)};
    const std::string query = normalise_query(path_and_query.substr(question + 1), rules);
    if (!query.empty()) result.append("?").append(query);
    return result;
}

}

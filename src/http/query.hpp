#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace edge::http {

/// Which of a query's arguments tell resources apart, and whether their order does. The syntax is that of
/// HTML forms: items between '&', each a name and, after the first '=', a value. Names are compared as they
/// are sent: percent-encoding is neither removed nor added, and letter case counts.
struct QueryRules {
    enum class Names { all, all_but, only };
    Names names = Names::all;
    /// What `all_but` and `only` speak of. A '*' at the end stands for any rest, none included; elsewhere it
    /// is a character as others are.
    std::vector<std::string> list = {};
    bool sort = false;  ///< by name, in the order of bytes; items of one name keep theirs

    bool keep_all() const noexcept { return names == Names::all && !sort; }
};

/// Whether `list` names the argument.
bool names_argument(const std::vector<std::string>& list, std::string_view name) noexcept;

/// The query without its '?' and without a fragment, its items chosen and ordered as `rules` say. Empty items
/// ("a=1&&b=2&") go, unless `rules` keep all: then the query is returned as it is. Throws std::bad_alloc.
std::string normalise_query(std::string_view query, const QueryRules& rules);

/// The same for what follows the authority in a URI: path, '?', query. When no item is left the '?' goes too,
/// so
/// "/a?" and "/a" are one. Throws std::bad_alloc.
std::string normalise_target(std::string_view path_and_query, const QueryRules& rules);

}

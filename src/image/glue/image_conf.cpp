#include "image/glue/image_conf.hpp"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "nginx/options.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::image {

namespace {

char* error() noexcept
{
    return static_cast<char*>(NGX_CONF_ERROR);
}

char* duplicate() noexcept
{
    return const_cast<char*>("is duplicate");
}

template <class Text>
char* refuse(ngx_conf_t* cf, const Text& text)
{
    const ngx_str_t why = ngx::str(text);
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V: %V", &ngx::directive_name(cf), &why);
    return error();
}

/// Of a directive that was read before: with its own place in front.
char* refuse_at(ngx_conf_t* cf, const std::string& place, const std::string& text)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%*s in %*s", text.size(), text.data(), place.size(),
                  place.data());
    return error();
}

std::string place_of(ngx_conf_t* cf)
{
    return std::string{ngx::view(cf->conf_file->file.name)} + ":" + std::to_string(cf->conf_file->line);
}

std::vector<std::string_view> words(ngx_conf_t* cf)
{
    std::vector<std::string_view> list;
    for (const ngx_str_t& arg : ngx::arguments(cf)) list.push_back(ngx::view(arg));
    return list;
}

Said& said(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.said == nullptr) conf.said = &ngx::make<Said>(cf->pool);
    return *conf.said;
}

template <class T>
void inherit(const T*& value, const T* parent) noexcept
{
    if (value == nullptr) value = parent;
}

char* set_flag(ngx_conf_t* cf, ngx_flag_t& flag, std::string_view yes, std::string_view no)
{
    if (flag != NGX_CONF_UNSET) return duplicate();
    const std::string_view word = words(cf)[0];
    if (word != yes && word != no) {
        return refuse(cf, "unexpected \"" + std::string{word} + "\", expected " + std::string{yes} + " or " +
                              std::string{no});
    }
    flag = word == yes;
    return NGX_CONF_OK;
}

/// What the blocks around say comes first: the nearer one replaces what it names again.
void join(Said& own, const Said* around)
{
    if (around == nullptr) return;
    own.presets.insert(own.presets.begin(), around->presets.begin(), around->presets.end());
    own.qualities.insert(own.qualities.begin(), around->qualities.begin(), around->qualities.end());
    if (own.usual.empty()) {
        own.usual = around->usual;
        own.usual_place = around->usual_place;
    }
}

char* build_names(ngx_conf_t* cf, const LocConf& conf, Settings& settings)
{
    static const Said nothing;
    const Said& own = conf.said != nullptr ? *conf.said : nothing;
    for (const NamedQuality& quality : own.qualities) settings.presets.add(quality);
    for (const Said::Placed& placed : own.presets) {
        if (settings.presets.quality(placed.preset.quality) == nullptr) {
            return refuse_at(cf, placed.place,
                             "edge_image_preset: there is no quality \"" + placed.preset.quality +
                                 "\", expected one of " + settings.presets.quality_names());
        }
        settings.presets.add(placed.preset);
    }
    const Quality* usual = settings.presets.quality(own.usual.empty() ? "balanced" : own.usual);
    if (usual == nullptr) {
        return refuse_at(cf, own.usual_place,
                         "edge_image_quality: there is no quality \"" + own.usual + "\", expected one of " +
                             settings.presets.quality_names() + ", or numbers after the name, as in jpeg=80");
    }
    settings.usual = *usual;
    for (const Said::Placed& placed : own.prewarm) {
        if (settings.presets.find(placed.preset.name) == nullptr) {
            return refuse_at(cf, placed.place,
                             "edge_image_prewarm: there is no preset \"" + placed.preset.name +
                                 "\", expected some of " + settings.presets.names());
        }
        settings.prewarm.push_back(placed.preset.name);
    }
    return NGX_CONF_OK;
}

/// Beside the module's own file, whatever links lead to that.
std::string usual_program()
{
    Dl_info info{};
    if (dladdr(reinterpret_cast<void*>(&usual_program), &info) == 0 || info.dli_fname == nullptr) return {};
    char* real = realpath(info.dli_fname, nullptr);
    std::string path{real != nullptr ? real : info.dli_fname};
    free(real);
    return path.substr(0, path.rfind('/') + 1) + "edge_render";
}

std::optional<float> parse_sample(std::string_view text) noexcept
{
    float value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc{} || result.ptr != text.data() + text.size() || !std::isfinite(value))
        return std::nullopt;
    return value;
}

}

void init_loc_conf(LocConf& conf) noexcept
{
    conf.on = NGX_CONF_UNSET;
    conf.keep_copyright = NGX_CONF_UNSET;
    conf.fallback_original = NGX_CONF_UNSET;
    conf.prewarm = NGX_CONF_UNSET;
}

char* merge_loc_conf(ngx_conf_t* cf, const LocConf& parent, LocConf& conf)
{
    ngx_conf_merge_value(conf.on, parent.on, 0);
    ngx_conf_merge_value(conf.keep_copyright, parent.keep_copyright, 0);
    ngx_conf_merge_value(conf.fallback_original, parent.fallback_original, 1);
    inherit(conf.formats, parent.formats);
    inherit(conf.arguments, parent.arguments);
    inherit(conf.keys, parent.keys);
    inherit(conf.limits, parent.limits);
    inherit(conf.range, parent.range);
    if (conf.said == nullptr) {
        conf.said = parent.said;
    } else {
        join(*conf.said, parent.said);
        if (conf.prewarm == NGX_CONF_UNSET && parent.said != nullptr)
            conf.said->prewarm = parent.said->prewarm;
    }
    if (conf.on == 0) return NGX_CONF_OK;
    auto& settings = ngx::make<Settings>(cf->pool);
    if (conf.formats != nullptr) settings.formats = *conf.formats;
    if (conf.arguments != nullptr) settings.arguments = *conf.arguments;
    if (conf.keys != nullptr) settings.keys = *conf.keys;
    if (conf.limits != nullptr) settings.limits = *conf.limits;
    if (conf.range != nullptr) {
        settings.range = conf.range->range;
        settings.range_low = conf.range->range_low;
        settings.range_high = conf.range->range_high;
    }
    settings.keep_copyright = conf.keep_copyright == 1;
    settings.fallback_original = conf.fallback_original == 1;
    conf.settings = &settings;
    return build_names(cf, conf, settings);
}

void note_use(ngx_conf_t* cf, ProcessSettings& settings)
{
    if (settings.place.empty()) settings.place = place_of(cf);
}

bool complete(ngx_conf_t* cf, ProcessSettings& settings)
{
    if (settings.program.empty()) settings.program = usual_program();
    if (settings.processes == 0)
        settings.processes = static_cast<std::uint32_t>(std::clamp<ngx_int_t>(ngx_ncpu, 1, 64));
    if (access(settings.program.c_str(), X_OK) == 0) return true;
    refuse_at(cf, settings.place,
              "edge_image: \"" + settings.program + "\" can't be run (" + std::strerror(errno) +
                  "); it is built beside the module, and edge_image_processes program= names another place");
    return false;
}

char* set_image(ngx_conf_t* cf, LocConf& conf)
{
    return set_flag(cf, conf.on, "on", "off");
}

char* set_image_copyright(ngx_conf_t* cf, LocConf& conf)
{
    return set_flag(cf, conf.keep_copyright, "on", "off");
}

char* set_image_fallback(ngx_conf_t* cf, LocConf& conf)
{
    return set_flag(cf, conf.fallback_original, "original", "error");
}

char* set_image_formats(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.formats != nullptr) return duplicate();
    auto& formats = ngx::make<Formats>(cf->pool, Formats{Format::none, Format::none});
    conf.formats = &formats;
    if (ngx::says_off(cf)) return NGX_CONF_OK;
    std::size_t count = 0;
    for (const std::string_view word : words(cf)) {
        const Format format = word == "avif" ? Format::avif : word == "webp" ? Format::webp : Format::none;
        if (format == Format::none || count == formats.size() || (count == 1 && formats[0] == format)) {
            return refuse(cf, "unexpected \"" + std::string{word} +
                                  "\", expected avif and webp in the order of preference, or off alone");
        }
        formats[count++] = format;
    }
    return NGX_CONF_OK;
}

char* set_image_args(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.arguments != nullptr) return duplicate();
    auto& rules = ngx::make<ArgumentRules>(cf->pool);
    ngx::Options options{cf};
    ngx_str_t prefix{}, widths{};
    if (!options.take("prefix", prefix) || !options.take("widths", widths) ||
        !options.nothing_left("prefix= and widths=, as in prefix=img_ widths=320,640")) {
        return error();
    }
    rules.prefix = ngx::view(prefix);
    if (prefix.data != nullptr && !is_preset_name(rules.prefix)) {
        return refuse(cf, "invalid prefix \"" + rules.prefix +
                              "\", expected letters, digits, \"-\" and \"_\", as in prefix=img_");
    }
    std::string_view list = ngx::view(widths);
    while (widths.data != nullptr) {
        const std::size_t comma = list.find(',');
        const auto width = parse_number(list.substr(0, comma), 1, kMostPixels);
        if (!width) {
            return refuse(cf, "invalid widths \"" + std::string{ngx::view(widths)} +
                                  "\", expected numbers from 1 to 16384, as in widths=320,640,1280");
        }
        rules.widths.push_back(*width);
        if (comma == list.npos) break;
        list.remove_prefix(comma + 1);
    }
    conf.arguments = &rules;
    return NGX_CONF_OK;
}

char* set_image_preset(ngx_conf_t* cf, LocConf& conf)
{
    auto list = words(cf);
    const std::string_view name = list.front();
    list.erase(list.begin());
    auto parsed = parse_preset(name, list);
    if (const auto* wrong = std::get_if<std::string>(&parsed)) return refuse(cf, *wrong);
    auto& presets = said(cf, conf).presets;
    const bool known = std::any_of(presets.begin(), presets.end(),
                                   [&](const Said::Placed& placed) { return placed.preset.name == name; });
    if (known) return refuse(cf, "\"" + std::string{name} + "\" is given twice here");
    presets.push_back({place_of(cf), std::get<Preset>(std::move(parsed))});
    return NGX_CONF_OK;
}

char* set_image_quality(ngx_conf_t* cf, LocConf& conf)
{
    auto list = words(cf);
    const std::string name{list.front()};
    Said& own = said(cf, conf);
    if (list.size() == 1) {
        if (!own.usual.empty()) return duplicate();
        own.usual = name;
        own.usual_place = place_of(cf);
        return NGX_CONF_OK;
    }
    list.erase(list.begin());
    auto parsed = parse_quality(name, list);
    if (const auto* wrong = std::get_if<std::string>(&parsed)) return refuse(cf, *wrong);
    own.qualities.push_back(std::get<NamedQuality>(std::move(parsed)));
    return NGX_CONF_OK;
}

char* set_image_sign(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.keys != nullptr) return duplicate();
    auto& keys = ngx::make<SigningKeys>(cf->pool);
    conf.keys = &keys;
    if (ngx::says_off(cf)) return NGX_CONF_OK;
    ngx::Options options{cf};
    ngx_str_t path{};
    if (!options.take("secret_file", path) || !options.nothing_left("off alone, or secret_file=PATH"))
        return error();
    if (path.len == 0) return refuse(cf, std::string{"expected secret_file=PATH"});
    if (ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) return error();
    ngx_fd_t fd = ngx_open_file(path.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, "edge_image_sign: \"%V\" can't be opened", &path);
        return error();
    }
    std::array<char, 65536> text;
    std::size_t size = 0;
    for (ssize_t n = 1; n > 0 && size < text.size();
         size += static_cast<std::size_t>(std::max<ssize_t>(n, 0)))
        n = ngx_read_fd(fd, text.data() + size, text.size() - size);
    ngx_close_file(fd);
    auto parsed = parse_signing_keys({text.data(), size});
    if (const auto* wrong = std::get_if<std::string>(&parsed))
        return refuse(cf, "\"" + std::string{ngx::view(path)} + "\": " + *wrong);
    keys = std::get<SigningKeys>(std::move(parsed));
    return NGX_CONF_OK;
}

char* set_image_range(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.range != nullptr) return duplicate();
    auto& settings = ngx::make<Settings>(cf->pool);
    conf.range = &settings;
    const auto list = words(cf);
    if (list.size() == 1 && list[0] == "auto") return NGX_CONF_OK;
    if (list.size() == 1 && (list[0] == "data" || list[0] == "type")) {
        settings.range = list[0] == "data" ? Range::data : Range::type;
        return NGX_CONF_OK;
    }
    const auto low = parse_sample(list.front()), high = parse_sample(list.back());
    if (list.size() != 2 || !low || !high || *low >= *high) {
        return refuse(cf,
                      std::string{"expected auto, data, type, or the values that become black and white, as "
                                  "in 0 4095"});
    }
    settings.range = Range::fixed;
    settings.range_low = *low;
    settings.range_high = *high;
    return NGX_CONF_OK;
}

char* set_image_prewarm(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.prewarm != NGX_CONF_UNSET) return duplicate();
    conf.prewarm = 1;
    Said& own = said(cf, conf);
    if (ngx::says_off(cf)) return NGX_CONF_OK;
    for (const std::string_view word : words(cf))
        own.prewarm.push_back({place_of(cf), Preset{.name = std::string{word}}});
    return NGX_CONF_OK;
}

char* set_image_limit(ngx_conf_t* cf, LocConf& conf, ProcessSettings& processes)
{
    if (conf.limits != nullptr) return duplicate();
    auto& limits = ngx::make<Limits>(cf->pool);
    ngx::Options options{cf};
    ngx_str_t memory{}, queue{};
    if (!options.take("memory", memory) || !options.take("queue", queue)) return error();
    if (cf->cmd_type != NGX_HTTP_MAIN_CONF && (memory.data != nullptr || queue.data != nullptr))
        return refuse(cf, std::string{"memory= and queue= are the whole host's and stand in http"});
    if (!options.size("source", 1024, std::int64_t{1} << 32, "1k to 4g, as in source=64m",
                      limits.source_bytes) ||
        !options.number("pixels", 1, 4'000'000'000, "1 to 4000000000, as in pixels=100000000",
                        limits.pixels_in) ||
        !options.number("frames", 1, 100'000, "1 to 100000, as in frames=200", limits.frames) ||
        !options.time("time", 600'000, "at most 10m, as in time=10s", limits.time_ms) ||
        !options.size("memory", 64 << 20, std::int64_t{1} << 40, "64m to 1024g, as in memory=1g",
                      processes.memory) ||
        !options.number("queue", 1, 100'000, "1 to 100000, as in queue=256", processes.queue) ||
        !options.nothing_left("source=, pixels=, frames=, time=, memory= and queue=")) {
        return error();
    }
    if (limits.time_ms == 0) return refuse(cf, std::string{"invalid time \"0\", expected as in time=10s"});
    conf.limits = &limits;
    return NGX_CONF_OK;
}

char* set_image_processes(ngx_conf_t* cf, ProcessSettings& processes)
{
    if (std::exchange(processes.said, true)) return duplicate();
    const auto list = words(cf);
    ngx_str_t program{};
    for (const std::string_view word : list) {
        if (word == "auto") continue;
        if (word.starts_with("program=") && word.size() > 8 && program.data == nullptr) {
            program = ngx::copy(cf->pool, word.substr(8));
            if (program.data == nullptr || ngx_conf_full_name(cf->cycle, &program, 0) != NGX_OK)
                return error();
            processes.program = ngx::view(program);
            processes.place = place_of(cf);
            continue;
        }
        const auto number = parse_number(word, 1, 64);
        if (!number) {
            return refuse(cf, "unexpected \"" + std::string{word} +
                                  "\", expected auto or a number from 1 to 64, and program=PATH");
        }
        processes.processes = *number;
    }
    return NGX_CONF_OK;
}

}

#pragma once

/// The one place that includes nginx's C headers. C++ standard headers come before it, never inside it.
#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
}

#undef CR
#undef LF
#undef CRLF

extern ngx_module_t ngx_http_edge_module;

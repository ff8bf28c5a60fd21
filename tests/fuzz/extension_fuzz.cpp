#include "fuzz/input.hpp"
#include "http/token.hpp"
#include "websocket/extension.hpp"

using namespace edge;
using namespace edge::fuzz;
using namespace edge::websocket;

/// Any bytes as a client's offers and as an upstream's answer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    DeflateWishes wishes;
    wishes.server_context_takeover = input.flag();
    wishes.client_context_takeover = input.flag();
    wishes.server_window_bits = input.byte();
    wishes.client_window_bits = input.byte();
    Copies copies;
    const std::string_view value = copies(input.rest());

    if (const auto extensions = parse_extensions(value)) {
        // Written plainly it reads the same.
        std::string plain;
        for (const Extension& extension : *extensions) {
            FUZZ_CHECK(http::is_token(extension.name));
            plain.append(plain.empty() ? "" : ", ").append(extension.name);
            for (const ExtensionParameter& parameter : extension.parameters) {
                FUZZ_CHECK(http::is_token(parameter.name));
                plain.append(";").append(parameter.name);
                if (!parameter.value) continue;
                FUZZ_CHECK(http::is_token(*parameter.value));
                plain.append("=\"").append(*parameter.value).append("\"");
            }
        }
        const auto again = parse_extensions(copies(plain));
        FUZZ_CHECK(again && again->size() == extensions->size());
        FUZZ_CHECK(negotiate_deflate(plain, wishes).has_value() ==
                   negotiate_deflate(value, wishes).has_value());
    }
    const auto agreed = negotiate_deflate(value, wishes);
    const UpstreamAnswer answer = parse_upstream_answer(value);
    FUZZ_CHECK(answer.parameters.server_max_window_bits >= 8 &&
               answer.parameters.server_max_window_bits <= 15);
    if (!agreed) return 0;
    FUZZ_CHECK(agreed->parameters.server_max_window_bits >= 8 &&
               agreed->parameters.server_max_window_bits <= 15);
    FUZZ_CHECK(agreed->parameters.client_max_window_bits >= 8 &&
               agreed->parameters.client_max_window_bits <= 15);
    FUZZ_CHECK(wishes.server_context_takeover || !agreed->parameters.server_context_takeover);
    FUZZ_CHECK(wishes.client_context_takeover || !agreed->parameters.client_context_takeover);
    const UpstreamAnswer said = parse_upstream_answer(agreed->response);
    FUZZ_CHECK(said.kind == UpstreamAnswer::Kind::deflate);
    FUZZ_CHECK(said.parameters.client_max_window_bits == agreed->parameters.client_max_window_bits);
    FUZZ_CHECK(said.parameters.server_max_window_bits >= agreed->parameters.server_max_window_bits);
    return 0;
}

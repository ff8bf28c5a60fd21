#include "image/glue/image_events.hpp"

namespace edge::image {

constinit Observer observer{[](Event) noexcept {}, [](const Done&, std::uint64_t) noexcept {},
                            [](Reason) noexcept {}, []() noexcept {}, [](const Stats&) noexcept {}};

}

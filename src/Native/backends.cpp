// The backends of this build.
#include <array>

#include "core/backend.h"
#include "cpu/backend.h"

namespace hearth {

std::span<Backend* const> backends() {
    static const std::array<Backend*, 1> all = {&cpu_backend()};
    return all;
}

}  // namespace hearth

// The processor as a backend.
#pragma once

#include "core/backend.h"

namespace hearth {

// Its one device is the processor.
Backend& cpu_backend();

}  // namespace hearth

// The stand-alone attention call, once it is checked.
#pragma once

#include "hearth.h"

namespace hearth {

// Throws HEARTH_INVALID_ARGUMENT for parameters out of range and for memory of another size than they say.
void check_attention_call(const hearth_attention_call& call);

}  // namespace hearth

#include "core/operations.h"

#include <cstddef>
#include <cstring>
#include <iterator>

#include "core/error.h"

namespace hearth {

namespace {

#define HEARTH_OPERATION(number, KIND, name, check, inputs, outputs, weights, traits) \
    {#name, inputs, outputs, weights, traits},
constexpr OperationFacts kOperations[] = {
#include "core/operations.def"
};
#undef HEARTH_OPERATION

// The table is in the order of the numbers, without gaps.
constexpr int kNumbers[] = {
#define HEARTH_OPERATION(number, KIND, ...) number == HEARTH_##KIND ? number : -1,
#include "core/operations.def"
#undef HEARTH_OPERATION
};

constexpr bool are_in_order() {
    for (size_t i = 0; i < std::size(kNumbers); ++i)
        if (kNumbers[i] != static_cast<int>(i) + 1) return false;
    return true;
}
static_assert(are_in_order());

constexpr bool fit_their_slots() {
    for (const OperationFacts& facts : kOperations)
        if (facts.inputs > HEARTH_INPUTS || facts.outputs > 3 || facts.weights > 6) return false;
    return true;
}
static_assert(fit_their_slots());

static_assert(offsetof(hearth_convolution_parameters, state) == 0 &&
              offsetof(hearth_scan_parameters, state) == 0 && offsetof(hearth_delta_parameters, state) == 0 &&
              offsetof(hearth_wkv_parameters, state) == 0);

}  // namespace

const OperationFacts* find_operation(int32_t kind) {
    return kind >= 1 && static_cast<size_t>(kind) <= std::size(kOperations) ? &kOperations[kind - 1]
                                                                            : nullptr;
}

const OperationFacts& operation_facts(int32_t kind) {
    const OperationFacts* facts = find_operation(kind);
    if (facts == nullptr) fail(HEARTH_INTERNAL, "operation %d is none that is known", kind);
    return *facts;
}

const char* operation_name(int32_t kind) {
    const OperationFacts* facts = find_operation(kind);
    return facts == nullptr ? "unknown" : facts->name;
}

int32_t state_of(const hearth_operation& operation) {
    int32_t state;
    std::memcpy(&state, &operation.parameters, sizeof state);
    return state;
}

}  // namespace hearth

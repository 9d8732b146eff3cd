// Runs of operations whose rows do not depend on each other.
#pragma once

#include <cstdint>
#include <vector>

#include "core/program.h"

namespace hearth {

// Adjacent operations begin .. end - 1 that each make row r of their outputs from row r of their inputs: a
// piece of some rows passes through all of them while it lies in a core's own caches, and the threads meet
// once. Where operation `end` is a product of the same rows, the pieces also bring its activations into the
// kernels' form.
struct Chain {
    int32_t begin, end;
    RowKind rows;
    int64_t widest;  // width of the widest value that its operations read or write
    bool feeds_product;
};

// In the program's order; every operation of that kind belongs to one chain.
std::vector<Chain> find_chains(const Program& program);

}  // namespace hearth

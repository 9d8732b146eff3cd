#include "core/chains.h"

#include <algorithm>

#include "core/operations.h"

namespace hearth {

namespace {

int64_t widest_value(const Program& program, const hearth_operation& operation) {
    int64_t most = 1;
    const auto add = [&](int32_t number) {
        if (number >= 0) most = std::max(most, program.values()[static_cast<size_t>(number)].width);
    };
    for (const int32_t number : operation.input) add(number);
    for (const int32_t number : operation.output) add(number);
    return most;
}

}  // namespace

std::vector<Chain> find_chains(const Program& program) {
    const auto& operations = program.operations();
    const auto rows_of = [&](const hearth_operation& operation) {
        return program.values()[static_cast<size_t>(operation.input[0])].rows;
    };
    const auto count = static_cast<int32_t>(operations.size());
    std::vector<Chain> chains;
    for (int32_t i = 0; i < count; ++i) {
        const hearth_operation& operation = operations[static_cast<size_t>(i)];
        const bool open = !chains.empty() && chains.back().end == i && !chains.back().feeds_product;
        if (operation_facts(operation.kind).is_row_wise()) {
            if (!open || chains.back().rows != rows_of(operation))
                chains.push_back({i, i, rows_of(operation), 1, false});
            Chain& chain = chains.back();
            ++chain.end;
            chain.widest = std::max(chain.widest, widest_value(program, operation));
        } else if (operation.kind == HEARTH_LINEAR && open && chains.back().rows == rows_of(operation)) {
            chains.back().feeds_product = true;
        }
    }
    return chains;
}

}  // namespace hearth

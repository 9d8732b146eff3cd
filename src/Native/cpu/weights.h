// Weights as the processor's kernels read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/backend.h"
#include "cpu/engine.h"
#include "cpu/linear.h"

namespace hearth {

// A matrix or stack, packed, or a vector of float32; the other is empty.
struct CpuWeight : WeightMemory {
    PackedWeight matrix;
    std::vector<float> vector;

    size_t bytes() const override { return matrix.data.size() + vector.size() * sizeof(float); }
};

// As Device::take and take_rows say.
std::shared_ptr<CpuWeight> pack(Engine& engine, const hearth_weight& shape, WeightRole role,
                                const void* data);
std::shared_ptr<CpuWeight> pack_rows(Engine& engine, std::shared_ptr<CpuWeight> so_far,
                                     const hearth_weight& shape, int64_t first_row, int64_t row_count,
                                     const void* data);

}  // namespace hearth

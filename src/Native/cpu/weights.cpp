#include "cpu/weights.h"

#include <cstring>

#include "cpu/linear/layout.h"

namespace hearth {

std::shared_ptr<CpuWeight> pack(Engine& engine, const hearth_weight& shape, WeightRole role,
                                const void* data) {
    auto weight = std::make_shared<CpuWeight>();
    if (role == WeightRole::Matrix) {
        weight->matrix = pack_weight(engine.isa, static_cast<hearth_type>(shape.type), shape.rows,
                                     shape.columns, data, engine.pool, shape.stack);
    } else {
        weight->vector.resize(static_cast<size_t>(shape.columns));
        std::memcpy(weight->vector.data(), data, weight->vector.size() * sizeof(float));
    }
    return weight;
}

// Panels of whole groups of rows lie one after another, so a matrix is its packed parts joined.
std::shared_ptr<CpuWeight> pack_rows(Engine& engine, std::shared_ptr<CpuWeight> so_far,
                                     const hearth_weight& shape, int64_t first_row, int64_t row_count,
                                     const void* data) {
    const PackedWeight part = pack_weight(engine.isa, static_cast<hearth_type>(shape.type), row_count,
                                          shape.columns, data, engine.pool);
    static_assert(HEARTH_PART_ROWS % kPanelRows == 0);
    const auto panels = [](int64_t rows) {
        return static_cast<size_t>((rows + kPanelRows - 1) / kPanelRows);
    };
    const size_t panel_bytes = part.data.size() / panels(row_count);
    if (!so_far) {
        so_far = std::make_shared<CpuWeight>();
        so_far->matrix = {part.type, shape.rows, shape.columns, 1, Buffer(panel_bytes * panels(shape.rows))};
    }
    uint8_t* const target = so_far->matrix.data.data() + panel_bytes * panels(first_row);
    engine.pool.parallel_for(
        static_cast<int64_t>(part.data.size()), int64_t{1} << 18, [&](int64_t begin, int64_t end, int) {
            std::memcpy(target + begin, part.data.data() + begin, static_cast<size_t>(end - begin));
        });
    return so_far;
}

}  // namespace hearth

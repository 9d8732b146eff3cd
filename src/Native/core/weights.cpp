#include "core/weights.h"

#include <utility>

#include "core/error.h"
#include "core/types.h"

namespace hearth {

const hearth_weight& Weights::shape_of(int32_t weight) const {
    if (weight < 0 || static_cast<size_t>(weight) >= slots_.size())
        fail(HEARTH_INVALID_ARGUMENT, "weight %d is not one of the program's %zu", weight, slots_.size());
    return program_.weights()[static_cast<size_t>(weight)];
}

void Weights::keep(Executable& executable, int32_t weight, std::shared_ptr<const WeightMemory> memory,
                   bool borrowed) {
    if (memory) executable.bind(weight, memory);
    slots_[static_cast<size_t>(weight)] = {std::move(memory), true, borrowed};
}

void Weights::load(Device& device, Executable& executable, int32_t weight, const void* data, size_t size) {
    const hearth_weight& shape = shape_of(weight);
    const size_t expected = stack_bytes(type_info(shape.type), shape.stack, shape.rows, shape.columns);
    if (data == nullptr || size != expected)
        fail(HEARTH_INVALID_ARGUMENT, "weight %d has %zu bytes, expected %zu", weight, size, expected);
    const WeightRole role = role_of(weight);
    keep(executable, weight, role == WeightRole::Unused ? nullptr : device.take(shape, role, data), false);
}

void Weights::load_rows(Device& device, Executable& executable, int32_t weight, int64_t first_row,
                        int64_t row_count, const void* data, size_t size) {
    const hearth_weight& shape = shape_of(weight);
    if (shape.stack != 1 || role_of(weight) != WeightRole::Matrix)
        fail(HEARTH_INVALID_ARGUMENT, "weight %d is no single matrix: it is loaded whole", weight);
    const bool goes_on = partial_.weight == weight && partial_.rows == first_row;
    if (first_row != 0 && !goes_on)
        fail(HEARTH_INVALID_ARGUMENT,
             "weight %d: a part begins at row %lld, expected 0 or the row after the last", weight,
             static_cast<long long>(first_row));
    if (row_count < 1 || row_count > shape.rows - first_row ||
        (row_count % HEARTH_PART_ROWS != 0 && row_count != shape.rows - first_row))
        fail(HEARTH_INVALID_ARGUMENT,
             "weight %d: a part of %lld rows from row %lld of %lld; all but the last hold a multiple of %d",
             weight, static_cast<long long>(row_count), static_cast<long long>(first_row),
             static_cast<long long>(shape.rows), static_cast<int>(HEARTH_PART_ROWS));
    const size_t expected = matrix_bytes(type_info(shape.type), row_count, shape.columns);
    if (data == nullptr || size != expected)
        fail(HEARTH_INVALID_ARGUMENT, "weight %d: the part has %zu bytes, expected %zu", weight, size,
             expected);

    std::shared_ptr<WeightMemory> so_far = first_row == 0 ? nullptr : partial_.memory;
    partial_ = {weight, first_row + row_count,
                device.take_rows(std::move(so_far), shape, first_row, row_count, data)};
    if (partial_.rows == shape.rows) keep(executable, weight, std::exchange(partial_, {}).memory, false);
}

void Weights::share(Executable& executable, int32_t weight, const Weights& other, int32_t other_weight) {
    if (weight < 0 || static_cast<size_t>(weight) >= slots_.size() || other_weight < 0 ||
        static_cast<size_t>(other_weight) >= other.slots_.size())
        fail(HEARTH_INVALID_ARGUMENT, "weights %d and %d are not both among the programs' %zu and %zu",
             weight, other_weight, slots_.size(), other.slots_.size());
    const hearth_weight &a = shape_of(weight), &b = other.shape_of(other_weight);
    if (a.type != b.type || a.rows != b.rows || a.columns != b.columns || a.stack != b.stack ||
        role_of(weight) != other.role_of(other_weight))
        fail(HEARTH_INVALID_ARGUMENT, "weights %d and %d differ in type, shape or use", weight, other_weight);
    const Slot& theirs = other.slots_[static_cast<size_t>(other_weight)];
    if (!theirs.loaded)
        fail(HEARTH_INVALID_STATE, "weight %d of the other model is not loaded yet", other_weight);
    keep(executable, weight, theirs.memory, true);
}

void Weights::require_all() {
    if (complete_) return;
    for (size_t i = 0; i < slots_.size(); ++i)
        if (!slots_[i].loaded && program_.roles()[i] != WeightRole::Unused)
            fail(HEARTH_INVALID_STATE, "weight %zu is not loaded yet", i);
    complete_ = true;
}

size_t Weights::bytes() const {
    size_t bytes = 0;
    for (const Slot& slot : slots_)
        if (slot.memory && !slot.borrowed) bytes += slot.memory->bytes();
    return bytes;
}

}  // namespace hearth

// The weights of a program: which of them a device has taken so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/backend.h"
#include "core/program.h"

namespace hearth {

// Numbers, sizes and order of loading are checked here; the caller holds the device's mutex.
class Weights {
  public:
    explicit Weights(const Program& program) : program_(program), slots_(program.weights().size()) {}

    void load(Device& device, Executable& executable, int32_t weight, const void* data, size_t size);
    void load_rows(Device& device, Executable& executable, int32_t weight, int64_t first_row,
                   int64_t row_count, const void* data, size_t size);
    // Uses a weight that another model of the same device has loaded.
    void share(Executable& executable, int32_t weight, const Weights& other, int32_t other_weight);

    // Throws HEARTH_INVALID_STATE where one that the program uses is missing.
    void require_all();
    // Of those that were loaded here.
    size_t bytes() const;

  private:
    struct Slot {
        std::shared_ptr<const WeightMemory> memory;  // null for one that the program does not use
        bool loaded = false;
        bool borrowed = false;  // counted in the memory of the model that loaded it
    };

    // A weight that is being loaded in parts.
    struct Partial {
        int32_t weight = -1;
        int64_t rows = 0;  // loaded so far
        std::shared_ptr<WeightMemory> memory;
    };

    const hearth_weight& shape_of(int32_t weight) const;
    WeightRole role_of(int32_t weight) const { return program_.roles()[static_cast<size_t>(weight)]; }
    void keep(Executable& executable, int32_t weight, std::shared_ptr<const WeightMemory> memory,
              bool borrowed);

    const Program& program_;
    std::vector<Slot> slots_;
    Partial partial_;
    bool complete_ = false;
};

}  // namespace hearth

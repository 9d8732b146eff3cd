// A program with its weights on a device, ready to run steps.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "core/backend.h"
#include "core/cache.h"
#include "core/program.h"
#include "core/step.h"
#include "core/weights.h"
#include "hearth.h"

namespace hearth {

class Model {
  public:
    Model(std::shared_ptr<Device> device, const hearth_program& program);
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    void load_weight(int32_t weight, const void* data, size_t size);
    void load_rows(int32_t weight, int64_t first_row, int64_t row_count, const void* data, size_t size);
    // Uses a loaded weight of another model of the same device.
    void share_weight(int32_t weight, const Model& other, int32_t other_weight);
    // The probes are filled on the way, as hearth.h says.
    void run(Cache* cache, const Cache* memory, const hearth_step& step,
             std::span<const hearth_probe> probes = {});
    hearth_model_memory measure() const;

  private:
    std::shared_ptr<Device> device_;
    const Program program_;
    Weights weights_;
    std::unique_ptr<Executable> executable_;
    StepChecker checker_;
};

}  // namespace hearth

// The memory of a step on the processor: its values and the kernels' work space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/chains.h"
#include "core/plan.h"
#include "core/program.h"
#include "cpu/buffer.h"
#include "cpu/engine.h"

namespace hearth {

// Cosines and sines of one set of rope parameters, made once a step for all layers.
struct RopeTable {
    hearth_rope_parameters parameters;
    int32_t factors;  // weight number or -1
    Buffer values;    // [rows, dimensions]
};

class StepScratch {
  public:
    StepScratch(const Engine& engine, const Program& program, const std::vector<Chain>& chains);

    // [rows, width] of a value.
    float* value(int32_t number) { return arena_.as<float>(plan_.offsets[static_cast<size_t>(number)]); }
    std::vector<RopeTable>& rope_tables() { return rope_tables_; }
    // Of an operation that is a rope.
    const RopeTable& rope_table(size_t operation) const {
        return rope_tables_[static_cast<size_t>(rope_table_of_[operation])];
    }
    Buffer& linear() { return linear_; }
    Buffer& attention() { return attention_; }
    Buffer& router() { return router_; }
    size_t bytes() const;

  private:
    void plan_rope_tables(const Program& program);
    void plan_work_space(const Engine& engine, const Program& program);

    Plan plan_;
    std::vector<RopeTable> rope_tables_;
    std::vector<int32_t> rope_table_of_;  // for each operation, -1 where it is no rope
    Buffer arena_, linear_, attention_, router_;
};

}  // namespace hearth

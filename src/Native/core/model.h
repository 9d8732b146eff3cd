// A program with its weights, ready to run steps on the CPU.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/buffer.h"
#include "core/cache.h"
#include "core/chains.h"
#include "core/engine.h"
#include "core/plan.h"
#include "core/program.h"
#include "core/step.h"
#include "cpu/experts.h"
#include "cpu/linear.h"
#include "cpu/operations.h"
#include "cpu/routing.h"
#include "cpu/states.h"
#include "hearth.h"

namespace hearth {

class Model {
  public:
    Model(std::shared_ptr<Engine> engine, const hearth_program& program);

    void load_weight(int32_t weight, const void* data, size_t size);
    void load_rows(int32_t weight, int64_t first_row, int64_t row_count, const void* data, size_t size);
    // Uses a loaded weight of another model of the same engine.
    void share_weight(int32_t weight, const Model& other, int32_t other_weight);
    // The probes are filled on the way, as hearth.h says.
    void run(Cache* cache, const Cache* memory, const hearth_step& step,
             std::span<const hearth_probe> probes = {});
    hearth_model_memory measure() const;
    Engine& engine() const { return *engine_; }

  private:
    // Packed once, never changed afterwards; models may share one.
    struct Weight {
        PackedWeight matrix;
        std::vector<float> vector;
    };

    // A weight that is being loaded in parts.
    struct PartialWeight {
        int32_t weight = -1;
        int64_t rows = 0;  // loaded so far
        std::shared_ptr<Weight> loaded;
    };

    // Cosines and sines of one set of rope parameters, made once a step for all layers.
    struct RopeTable {
        hearth_rope_parameters parameters;
        int32_t factors;  // weight number or -1
        Buffer values;
    };

    const hearth_weight& shape_of(int32_t weight) const;
    void keep(int32_t weight, std::shared_ptr<const Weight> loaded);
    void plan_rope_tables();
    void plan_scratch();
    size_t expert_scratch(const hearth_operation& operation) const;
    void make_rope_tables(const hearth_step& step);
    void require_weights();
    void check_probes(std::span<const hearth_probe> probes, const hearth_step& step) const;
    // The keys that an operation's longest sequence has in this step.
    int64_t most_keys(const hearth_attention_parameters& parameters) const;
    AttentionCall attention_call(const hearth_operation& operation, const Cache* cache, const Cache* memory,
                                 const hearth_step& step);

    void execute(const hearth_operation& operation, Cache* cache, const Cache* memory,
                 const hearth_step& step);
    // The chain and, where it feeds one, the product behind it.
    void run_chain(const Chain& chain, Cache* cache, const hearth_step& step);
    // Some rows of a row-wise operation.
    void execute_rows(size_t index, Cache* cache, RowRange range, ThreadPool& pool);
    void combine(const hearth_operation& operation, RowRange range, ThreadPool& pool);
    void write_cache(const hearth_operation& operation, Cache* cache, RowRange range, ThreadPool& pool);

    void embed(const hearth_operation& operation, const hearth_step& step);
    LinearCall linear_call(const hearth_operation& operation, const hearth_step& step,
                           std::array<LinearOutput, 3>& outputs);
    void linear(const hearth_operation& operation, const hearth_step& step);
    void route(const hearth_operation& operation, const hearth_step& step);
    void expert_linear(const hearth_operation& operation, const hearth_step& step);
    void grouped_linear(const hearth_operation& operation, const hearth_step& step);
    void attend(const hearth_operation& operation, const Cache* cache, const Cache* memory,
                const hearth_step& step);
    void gather(const hearth_operation& operation, const hearth_step& step);
    // An operation that keeps a state.
    void go_on(const hearth_operation& operation, const Cache& cache, const hearth_step& step);
    StateSteps state_steps(int32_t state, const Cache& cache) const;

    float* value(int32_t number) { return arena_.as<float>(plan_.offsets[static_cast<size_t>(number)]); }
    int64_t width(int32_t number) const { return program_.values()[static_cast<size_t>(number)].width; }
    int64_t rows(int32_t number, const hearth_step& step) const;
    Rows out(const hearth_operation& operation, const hearth_step& step);
    ConstRows in(const hearth_operation& operation, int slot, const hearth_step& step);
    Rows out(const hearth_operation& operation, RowRange range);
    ConstRows in(const hearth_operation& operation, int slot, RowRange range);
    const float* vector(int32_t weight) const;

    std::shared_ptr<Engine> engine_;
    Program program_;
    std::vector<Chain> chains_;
    Plan plan_;
    const PackedWeight& matrix(int32_t weight) const { return weights_[static_cast<size_t>(weight)]->matrix; }

    std::vector<std::shared_ptr<const Weight>> weights_;  // null: not loaded yet
    std::vector<bool> borrowed_;                          // counted in the memory of the model that loaded it
    PartialWeight partial_;
    std::vector<RopeTable> rope_tables_;
    std::vector<int32_t> rope_table_of_;  // for each operation, -1 where it is no rope
    Buffer arena_, linear_scratch_, attention_scratch_, router_scratch_;
    ThreadPool serial_{1};  // what operations on a piece of rows run on
    StepChecker checker_;
    bool complete_ = false;
};

}  // namespace hearth

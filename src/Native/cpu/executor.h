// Runs a program's steps on the processor.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/backend.h"
#include "core/chains.h"
#include "core/program.h"
#include "cpu/cache.h"
#include "cpu/engine.h"
#include "cpu/experts.h"
#include "cpu/linear.h"
#include "cpu/operations.h"
#include "cpu/routing.h"
#include "cpu/scratch.h"
#include "cpu/states.h"
#include "cpu/weights.h"
#include "hearth.h"

namespace hearth {

class Executor : public Executable {
  public:
    // Engine and program live as long as this.
    Executor(Engine& engine, const Program& program);

    void bind(int32_t weight, std::shared_ptr<const WeightMemory> memory) override;
    void run(const CheckedStep& step) override;
    size_t scratch_bytes() const override { return scratch_.bytes(); }

  private:
    // Operations that are no part of a chain (executor.cpp, executor_experts.cpp).
    void execute(const hearth_operation& operation, const CheckedStep& step);
    void embed(const hearth_operation& operation, const CheckedStep& step);
    void linear(const hearth_operation& operation, const CheckedStep& step);
    void attend(const hearth_operation& operation, const CheckedStep& step);
    void gather(const hearth_operation& operation, const CheckedStep& step);
    void route(const hearth_operation& operation, const CheckedStep& step);
    void expert_linear(const hearth_operation& operation, const CheckedStep& step);
    void grouped_linear(const hearth_operation& operation, const CheckedStep& step);
    // An operation that keeps a state.
    void go_on(const hearth_operation& operation, const CheckedStep& step);

    // Chains (executor_rows.cpp): the operations of one and, where it feeds one, the product behind it.
    void run_chain(const Chain& chain, const CheckedStep& step);
    // Some rows of a row-wise operation.
    void execute_rows(size_t index, const CheckedStep& step, RowRange range, ThreadPool& pool);
    void combine(const hearth_operation& operation, RowRange range, ThreadPool& pool);
    void write_cache(const hearth_operation& operation, const CheckedStep& step, RowRange range,
                     ThreadPool& pool);

    void make_rope_tables(const hearth_step& step);
    LinearCall linear_call(const hearth_operation& operation, const CheckedStep& step,
                           std::array<LinearOutput, 3>& outputs);
    AttentionCall attention_call(const hearth_operation& operation, const CheckedStep& step);
    StateSteps state_steps(const hearth_operation& operation, const CheckedStep& step) const;

    float* value(int32_t number) { return scratch_.value(number); }
    int64_t width(int32_t number) const { return program_.values()[static_cast<size_t>(number)].width; }
    int64_t rows(int32_t number, const CheckedStep& step) const;
    Rows out(const hearth_operation& operation, const CheckedStep& step);
    ConstRows in(const hearth_operation& operation, int slot, const CheckedStep& step);
    Rows out(const hearth_operation& operation, RowRange range);
    ConstRows in(const hearth_operation& operation, int slot, RowRange range);
    const PackedWeight& matrix(int32_t weight) const { return weights_[static_cast<size_t>(weight)]->matrix; }
    // Null for -1.
    const float* vector(int32_t weight) const;

    Engine& engine_;
    const Program& program_;
    const std::vector<Chain> chains_;
    StepScratch scratch_;
    std::vector<std::shared_ptr<const CpuWeight>> weights_;
    ThreadPool serial_{1};  // what operations on a piece of rows run on
};

}  // namespace hearth

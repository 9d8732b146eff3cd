// A step once it is checked: every index in range, every page owned by one writer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/backend.h"
#include "core/cache.h"
#include "core/program.h"
#include "core/sequences.h"
#include "hearth.h"

namespace hearth {

class StepChecker {
  public:
    // Throws HEARTH_INVALID_ARGUMENT, or HEARTH_UNSUPPORTED where a cache's type does not fit the program.
    // The result holds indices of its own (what the caller's memory holds later is not looked at) and is good
    // until the next check.
    CheckedStep check(const Program& program, Cache* cache, const Cache* memory, const hearth_step& step,
                      std::span<const hearth_probe> probes = {});

  private:
    void check_counts(const Program& program, const hearth_step& step) const;
    void copy(const hearth_step& step);
    void check_rows(const Program& program, const hearth_step& step) const;
    void check_output(const Program& program, const hearth_step& step) const;
    void check_sequences(const Cache* cache, bool keeps_states, const hearth_step& step);
    void check_pages(const Cache& cache, const hearth_step& step);
    void check_memory(const Cache* memory, const hearth_step& step);
    void check_memory_pages(const Cache& memory, bool is_written) const;
    void check_states(const Cache* cache, const hearth_step& step);
    void check_probes(const Program& program, std::span<const hearth_probe> probes) const;
    // The keys that an operation's longest sequence has in this step.
    int64_t most_keys(const hearth_attention_parameters& parameters) const;
    void add_runs(int32_t index, const hearth_sequence& sequence, const hearth_step& step);
    void write_state(int32_t index, int32_t state, const Cache& cache);

    hearth_step step_{};
    std::vector<int32_t> tokens_, positions_, pages_, output_rows_;
    std::vector<hearth_sequence> given_;
    std::vector<hearth_checkpoint> checkpoints_;
    std::vector<SequenceRows> sequences_;
    // For each page the step that wrote it last and the sequence that did, so that nothing need be cleared.
    std::vector<uint64_t> written_in_;
    std::vector<int32_t> written_by_;
    // Through which rows each state goes on; empty where the program keeps none.
    std::vector<StateRun> runs_;
    std::vector<int32_t> run_begins_;    // [sequences + 1]
    std::vector<int32_t> state_writer_;  // for each state the sequence that writes it in this step, or -1
    uint64_t step_number_ = 0;
};

}  // namespace hearth

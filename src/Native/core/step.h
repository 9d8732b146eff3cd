// A step once it is checked: every index in range, every page owned by one writer.
#pragma once

#include <cstdint>
#include <vector>

#include "core/cache.h"
#include "core/program.h"
#include "hearth.h"

namespace hearth {

class StepChecker {
  public:
    // Throws HEARTH_INVALID_ARGUMENT, or HEARTH_UNSUPPORTED where a cache's type does not fit the program.
    // Afterwards sequences() is ready for the kernels.
    void check(const Program& program, const Cache* cache, const Cache* memory, const hearth_step& step);

    const std::vector<SequenceRows>& sequences() const { return sequences_; }

  private:
    void check_rows(const Program& program, const hearth_step& step) const;
    void check_output(const Program& program, const hearth_step& step) const;
    void check_sequences(const Cache* cache, const hearth_step& step);
    void check_pages(const Cache& cache, const hearth_step& step);
    void check_memory(const Cache* memory, const hearth_step& step);
    void check_memory_pages(const Cache& memory, bool is_written) const;

    std::vector<SequenceRows> sequences_;
    // For each page the step that wrote it last and the sequence that did, so that nothing need be cleared.
    std::vector<uint64_t> written_in_;
    std::vector<int32_t> written_by_;
    uint64_t step_number_ = 0;
};

}  // namespace hearth

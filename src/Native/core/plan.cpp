#include "core/plan.h"

#include <algorithm>

#include "core/error.h"
#include "core/operations.h"

namespace hearth {

namespace {

constexpr size_t kAlignment = 64;

// First-fit allocation over a sorted list of free ranges.
class Arena {
  public:
    // Fails with HEARTH_INVALID_PROGRAM where values need more than any machine has.
    size_t take(size_t size) {
        for (size_t i = 0; i < free_.size(); ++i) {
            if (free_[i].size < size) continue;
            const size_t offset = free_[i].offset;
            free_[i].offset += size;
            free_[i].size -= size;
            if (free_[i].size == 0) free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
            return offset;
        }
        // Grow, starting inside a free range at the end where there is one.
        if (!free_.empty() && free_.back().offset + free_.back().size == end_) {
            const size_t offset = free_.back().offset;
            free_.pop_back();
            end_ = sum(offset, size);
            return offset;
        }
        const size_t offset = end_;
        end_ = sum(end_, size);
        return offset;
    }

    void give(size_t offset, size_t size) {
        auto next =
            std::find_if(free_.begin(), free_.end(), [&](const Range& r) { return r.offset > offset; });
        next = free_.insert(next, {offset, size});
        if (next + 1 != free_.end() && next->offset + next->size == (next + 1)->offset) {
            next->size += (next + 1)->size;
            free_.erase(next + 1);
        }
        if (next != free_.begin() && (next - 1)->offset + (next - 1)->size == next->offset) {
            (next - 1)->size += next->size;
            free_.erase(next);
        }
    }

    size_t end() const { return end_; }

  private:
    struct Range {
        size_t offset, size;
    };

    static size_t sum(size_t offset, size_t size) {
        constexpr size_t kMost = size_t{1} << 48;  // beyond any address space
        if (size > kMost - offset)
            fail(HEARTH_INVALID_PROGRAM, "the values of a step take more than 2^48 bytes");
        return offset + size;
    }

    std::vector<Range> free_;
    size_t end_ = 0;
};

}  // namespace

Plan plan_memory(const Program& program, const std::vector<Chain>& chains) {
    const auto& values = program.values();
    const auto& operations = program.operations();
    Plan plan;
    plan.offsets.assign(values.size(), 0);
    const auto bytes_of = [&](const Value& value) {
        const size_t bytes = static_cast<size_t>(value.width * program.max_rows(value.rows)) * sizeof(float);
        return (bytes + kAlignment - 1) / kAlignment * kAlignment;
    };
    Arena arena;
    std::vector<bool> passed_on(values.size(), false);  // its memory belongs to another value now
    auto chain = chains.begin();
    std::vector<size_t> ended;  // values that the chain's operations so far have read for the last time
    const auto give = [&](size_t value) { arena.give(plan.offsets[value], bytes_of(values[value])); };
    for (size_t i = 0; i < operations.size(); ++i) {
        while (chain != chains.end() && static_cast<size_t>(chain->end) <= i) ++chain;
        // Some rows are at a chain's end while others are at its begin: what the others still read must not
        // be written over by values of another width.
        const bool in_chain = chain != chains.end() && static_cast<size_t>(chain->begin) <= i;
        const hearth_operation& operation = operations[i];
        const auto ends_here = [&](int32_t value) {
            return value >= 0 && values[static_cast<size_t>(value)].last_operation == static_cast<int32_t>(i);
        };
        for (const int32_t output : operation.output) {
            if (output < 0) continue;
            const size_t out = static_cast<size_t>(output);
            const int32_t input = operation.input[0];
            if (operation_facts(operation.kind).works_in_place() && ends_here(input)) {
                plan.offsets[out] = plan.offsets[static_cast<size_t>(input)];
                passed_on[static_cast<size_t>(input)] = true;
            } else {
                plan.offsets[out] = arena.take(bytes_of(values[out]));
            }
        }
        const auto release = [&](int32_t value) {
            if (!ends_here(value) || passed_on[static_cast<size_t>(value)]) return;
            passed_on[static_cast<size_t>(value)] = true;  // an operation may name a value twice
            if (in_chain)
                ended.push_back(static_cast<size_t>(value));
            else
                give(static_cast<size_t>(value));
        };
        for (const int32_t input : operation.input) release(input);
        for (const int32_t output : operation.output) release(output);  // written, never read
        if (in_chain && static_cast<size_t>(chain->end) == i + 1) {
            for (const size_t value : ended) give(value);
            ended.clear();
        }
    }
    plan.arena_bytes = arena.end();
    return plan;
}

}  // namespace hearth

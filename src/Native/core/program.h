// A program once it is checked: what every operation reads and writes, and that it all fits together.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "hearth.h"

namespace hearth {

// Which rows a value has.
enum class RowKind { Step, Output };

struct Value {
    int64_t width;
    RowKind rows;
    int32_t first_operation;  // that writes it
    int32_t last_operation;   // that reads it; operation_count for the result
};

// What a weight is used as, which decides how it is kept.
enum class WeightRole { Unused, Matrix, Vector };

// The shape that a program expects of one layer of the cache; kv_heads = 0 where it does not use the layer.
using CacheLayerShape = hearth_cache_layer;

// A validated copy of a hearth_program. Operations refer to values and weights that exist, in order, with
// widths that agree; whoever runs it needs no further checks.
class Program {
  public:
    // Throws HEARTH_INVALID_PROGRAM with the operation's number, or HEARTH_UNSUPPORTED.
    explicit Program(const hearth_program& source);

    const std::vector<hearth_operation>& operations() const { return operations_; }
    const std::vector<Value>& values() const { return values_; }
    const std::vector<hearth_weight>& weights() const { return weights_; }
    const std::vector<WeightRole>& roles() const { return roles_; }
    const std::vector<CacheLayerShape>& cache_layers() const { return cache_layers_; }
    const std::vector<CacheLayerShape>& memory_layers() const { return memory_layers_; }
    // Floats of a state's part for each operation that keeps one, by the number in its parameters.
    const std::vector<int64_t>& state_widths() const { return state_widths_; }
    int32_t result() const { return result_; }
    int64_t max_rows(RowKind kind) const { return kind == RowKind::Step ? max_rows_ : max_output_rows_; }

    // Token ids must be below it; 0 where no operation embeds tokens. Positions likewise.
    int64_t token_limit() const { return token_limit_; }
    int64_t position_limit() const { return position_limit_; }
    bool embeds_positions() const { return position_limit_ > 0; }
    // Whether a step may bring vectors in place of tokens.
    bool takes_embeddings() const { return !ranged_ && embedding_width_ > 0; }
    // Of the vectors; 0 where no operation embeds tokens, or several do to different widths.
    int64_t embedding_width() const { return embedding_width_; }

  private:
    friend class ProgramChecker;

    std::vector<hearth_operation> operations_;
    std::vector<Value> values_;
    std::vector<hearth_weight> weights_;
    std::vector<WeightRole> roles_;
    std::vector<CacheLayerShape> cache_layers_, memory_layers_;
    std::map<int32_t, int32_t> experts_of_;  // a router's choice (value number): how many experts there are
    int32_t result_ = -1;
    int64_t max_rows_ = 0, max_output_rows_ = 0;
    std::vector<int64_t> state_widths_;
    int64_t token_limit_ = 0, position_limit_ = 0;
    int64_t embedding_width_ = 0;
    bool ranged_ = false;  // tables hold ranges of the vocabulary
};

}  // namespace hearth

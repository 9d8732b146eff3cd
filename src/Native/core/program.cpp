#include "core/program.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <string>

#include "core/checks.h"
#include "core/error.h"
#include "core/types.h"

namespace hearth {

namespace {

// Bounds that no model comes near; they keep every later product of sizes inside 64 bits.
constexpr int32_t kMaxCount = 1 << 20;
constexpr int32_t kMaxWidth = 1 << 24;
constexpr int32_t kMaxRows = 1 << 20;
constexpr int32_t kMaxLayers = 1 << 12;
constexpr int32_t kMaxStack = 1 << 14;
constexpr int32_t kMaxKeyWidth = 1 << 12;  // of a head whose state is a matrix
constexpr int64_t kMaxStateWidth = int64_t{1} << 32;

constexpr const char* kNames[] = {"",
                                  "embed",
                                  "linear",
                                  "rms_norm",
                                  "layer_norm",
                                  "rope",
                                  "cache_write",
                                  "attention",
                                  "add",
                                  "multiply",
                                  "scale",
                                  "activation",
                                  "softcap",
                                  "gather",
                                  "clamp",
                                  "slice",
                                  "concat",
                                  "pool",
                                  "router",
                                  "expert_linear",
                                  "expert_sum",
                                  "grouped_linear",
                                  "log_softmax",
                                  "short_convolution",
                                  "selective_scan",
                                  "delta_rule",
                                  "wkv"};
constexpr int32_t kLastKind = HEARTH_WKV;
static_assert(std::size(kNames) == kLastKind + 1);

}  // namespace

const char* operation_name(int32_t kind) {
    return kind >= HEARTH_EMBED && kind <= kLastKind ? kNames[kind] : "unknown";
}

// Walks the operations in order, knowing which values exist so far.
class ProgramChecker {
  public:
    ProgramChecker(Program& program, const hearth_program& source) : program_(program), source_(source) {}

    void check() {
        copy();
        for (index_ = 0; index_ < static_cast<int32_t>(program_.operations_.size()); ++index_) {
            operation_ = &program_.operations_[static_cast<size_t>(index_)];
            check_slots();
            check_operation();
        }
        check_result();
    }

  private:
    [[noreturn]] HEARTH_PRINTF(2, 3) void reject(const char* format, ...) const {
        char text[400];
        va_list arguments;
        va_start(arguments, format);
        std::vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        fail(HEARTH_INVALID_PROGRAM, "operation %d (%s): %s", index_, operation_name(operation_->kind), text);
    }

    void require(bool condition, const char* what) const {
        if (!condition) reject("%s", what);
    }

    void copy() {
        const auto counted = [](const void* pointer, int32_t count, const char* what) {
            if (count < 1 || count > kMaxCount || pointer == nullptr)
                fail(HEARTH_INVALID_PROGRAM, "a program needs 1 to %d %s, got %d", kMaxCount, what, count);
        };
        counted(source_.operations, source_.operation_count, "operations");
        counted(source_.value_widths, source_.value_count, "values");
        counted(source_.weights, source_.weight_count, "weights");
        if (source_.max_rows < 1 || source_.max_rows > kMaxRows || source_.max_output_rows < 1 ||
            source_.max_output_rows > source_.max_rows)
            fail(HEARTH_INVALID_PROGRAM,
                 "rows of a step must be 1 to %d and output rows no more, got %d and %d", kMaxRows,
                 source_.max_rows, source_.max_output_rows);
        program_.operations_.assign(source_.operations, source_.operations + source_.operation_count);
        program_.weights_.assign(source_.weights, source_.weights + source_.weight_count);
        program_.roles_.assign(static_cast<size_t>(source_.weight_count), WeightRole::Unused);
        program_.max_rows_ = source_.max_rows;
        program_.max_output_rows_ = source_.max_output_rows;
        program_.result_ = source_.result;
        for (int32_t i = 0; i < source_.value_count; ++i) {
            const int32_t width = source_.value_widths[i];
            if (width < 1 || width > kMaxWidth)
                fail(HEARTH_INVALID_PROGRAM, "value %d: width must be 1 to %d, got %d", i, kMaxWidth, width);
            program_.values_.push_back({width, RowKind::Step, -1, -1});
        }
        for (int32_t i = 0; i < source_.weight_count; ++i) {
            const hearth_weight& weight = source_.weights[i];
            if (weight.stack < 1 || weight.stack > kMaxStack)
                fail(HEARTH_INVALID_PROGRAM, "weight %d: a stack has 1 to %d matrices, got %d", i, kMaxStack,
                     weight.stack);
            stack_bytes(type_info(weight.type), weight.stack, weight.rows, weight.columns);
            if (weight.rows > std::numeric_limits<int32_t>::max() || weight.columns > kMaxWidth)
                fail(HEARTH_INVALID_PROGRAM, "weight %d: %lld x %lld is out of range", i,
                     static_cast<long long>(weight.rows), static_cast<long long>(weight.columns));
        }
    }

    void check_slots() {
        if (operation_->kind < HEARTH_EMBED || operation_->kind > kLastKind)
            reject("unknown kind %d", operation_->kind);
        for (const int32_t value : operation_->input) {
            if (value < -1 || value >= source_.value_count) reject("there is no value %d", value);
            if (value < 0) continue;
            Value& v = program_.values_[static_cast<size_t>(value)];
            if (v.first_operation < 0) reject("value %d is read before it is written", value);
            v.last_operation = index_;
        }
        for (const int32_t value : operation_->output) {
            if (value < -1 || value >= source_.value_count) reject("there is no value %d", value);
        }
        for (const int32_t weight : operation_->weight)
            if (weight < -1 || weight >= source_.weight_count) reject("there is no weight %d", weight);
    }

    // ---- Slots
    // -----------------------------------------------------------------------------------------------

    void expect_counts(int inputs, int outputs, int weights) const {
        const auto rest_unused = [&](const int32_t* slots, int used, int total, const char* what) {
            for (int i = used; i < total; ++i)
                if (slots[i] != -1) reject("takes at most %d %s", used, what);
        };
        rest_unused(operation_->input, inputs, HEARTH_INPUTS, "inputs");
        rest_unused(operation_->output, outputs, 3, "outputs");
        rest_unused(operation_->weight, weights, 6, "weights");
    }

    const Value& input(int slot) const {
        if (operation_->input[slot] < 0) reject("input %d is missing", slot);
        return program_.values_[static_cast<size_t>(operation_->input[slot])];
    }

    bool has_input(int slot) const { return operation_->input[slot] >= 0; }

    int64_t define(int slot, RowKind rows) {
        if (operation_->output[slot] < 0) reject("output %d is missing", slot);
        Value& value = program_.values_[static_cast<size_t>(operation_->output[slot])];
        if (value.first_operation >= 0) reject("value %d is written twice", operation_->output[slot]);
        value.first_operation = index_;
        value.last_operation = index_;
        value.rows = rows;
        return value.width;
    }

    void define_like(int slot, const Value& other) {
        const int64_t width = define(slot, other.rows);
        if (width != other.width)
            reject("output is %lld wide, expected %lld", static_cast<long long>(width),
                   static_cast<long long>(other.width));
    }

    const hearth_weight& matrix(int slot, int64_t columns, int64_t rows, int32_t stack = 1) {
        const hearth_weight& weight = use(slot, WeightRole::Matrix);
        if ((columns >= 0 && weight.columns != columns) || (rows >= 0 && weight.rows != rows))
            reject("weight %d is %lld x %lld, expected %lld x %lld", operation_->weight[slot],
                   static_cast<long long>(weight.rows), static_cast<long long>(weight.columns),
                   static_cast<long long>(rows), static_cast<long long>(columns));
        if (weight.stack != stack)
            reject("weight %d has %d matrices, expected %d", operation_->weight[slot], weight.stack, stack);
        return weight;
    }

    void vector(int slot, int64_t size) {
        const hearth_weight& weight = use(slot, WeightRole::Vector);
        if (weight.type != HEARTH_TYPE_F32) reject("weight %d must be F32", operation_->weight[slot]);
        if (weight.rows != 1 || weight.columns != size || weight.stack != 1)
            reject("weight %d is %lld x %lld, expected one row of %lld", operation_->weight[slot],
                   static_cast<long long>(weight.rows), static_cast<long long>(weight.columns),
                   static_cast<long long>(size));
    }

    void optional_vector(int slot, int64_t size) {
        if (operation_->weight[slot] >= 0) vector(slot, size);
    }

    const hearth_weight& use(int slot, WeightRole role) {
        const int32_t number = operation_->weight[slot];
        if (number < 0) reject("weight %d is missing", slot);
        WeightRole& known = program_.roles_[static_cast<size_t>(number)];
        if (known != WeightRole::Unused && known != role)
            reject("weight %d is used both as matrix and vector", number);
        known = role;
        return program_.weights_[static_cast<size_t>(number)];
    }

    // ---- Operations
    // ------------------------------------------------------------------------------------------

    void check_operation() {
        switch (operation_->kind) {
            case HEARTH_EMBED:
                return check_embed();
            case HEARTH_LINEAR:
                return check_linear();
            case HEARTH_RMS_NORM:
            case HEARTH_LAYER_NORM:
                return check_norm();
            case HEARTH_ROPE:
                return check_rope();
            case HEARTH_CACHE_WRITE:
                return check_cache_write();
            case HEARTH_ATTENTION:
                return check_attention();
            case HEARTH_ADD:
            case HEARTH_MULTIPLY:
                return check_binary();
            case HEARTH_SCALE:
            case HEARTH_SOFTCAP:
                return check_factor();
            case HEARTH_ACTIVATION:
                return check_activation();
            case HEARTH_GATHER:
            case HEARTH_POOL:
                return check_gather();
            case HEARTH_LOG_SOFTMAX:
                return check_log_softmax();
            case HEARTH_CLAMP:
                return check_clamp();
            case HEARTH_SLICE:
                return check_slice();
            case HEARTH_CONCAT:
                return check_concat();
            case HEARTH_ROUTER:
                return check_router();
            case HEARTH_EXPERT_LINEAR:
                return check_expert_linear();
            case HEARTH_EXPERT_SUM:
                return check_expert_sum();
            case HEARTH_GROUPED_LINEAR:
                return check_grouped_linear();
            case HEARTH_SHORT_CONVOLUTION:
                return check_short_convolution();
            case HEARTH_SELECTIVE_SCAN:
                return check_selective_scan();
            case HEARTH_DELTA_RULE:
                return check_delta_rule();
            case HEARTH_WKV:
                return check_wkv();
            default:
                reject("unknown kind %d", operation_->kind);
        }
    }

    void check_embed() {
        expect_counts(0, 1, 1);
        const auto& p = operation_->parameters.embed;
        const int64_t width = define(0, RowKind::Step);
        const hearth_weight& table = matrix(0, width, -1);
        require(std::isfinite(p.scale), "scale must be finite");
        if (p.index < HEARTH_INDEX_TOKEN || p.index > HEARTH_INDEX_FIRST) reject("unknown index %d", p.index);
        require(p.ranged == 0 ? p.first == 0 : p.ranged == 1 && p.first >= 0 && p.index == HEARTH_INDEX_TOKEN,
                "only tokens have ranges, which begin at 0 or later");
        if (p.index == HEARTH_INDEX_FIRST) return;
        // Vectors that a step brings in place of tokens are as wide as every table of tokens.
        if (p.index == HEARTH_INDEX_TOKEN) {
            const bool same = !embeds_tokens_ || program_.embedding_width_ == width;
            program_.embedding_width_ = same ? width : 0;
            embeds_tokens_ = true;
        }
        if (p.ranged) {
            program_.ranged_ = true;
            program_.token_limit_ = std::max(program_.token_limit_, p.first + table.rows);
            return;
        }
        int64_t& limit = p.index == HEARTH_INDEX_TOKEN ? program_.token_limit_ : program_.position_limit_;
        limit = limit == 0 ? table.rows : std::min(limit, table.rows);
    }

    void check_linear() {
        expect_counts(1, 3, 6);
        const Value source = input(0);
        check_function(operation_->parameters.linear.function);
        require(operation_->parameters.linear.function != HEARTH_FUNCTION_XIELU,
                "XIELU is for the activation operation");
        for (int i = 0; i < 3; ++i) {
            if (operation_->output[i] < 0) {
                require(i > 0, "at least one output is needed");
                require(operation_->weight[i] < 0 && operation_->weight[3 + i] < 0, "a weight has no output");
                continue;
            }
            require(i == 0 || operation_->output[i - 1] >= 0, "outputs must be given without gaps");
            const int64_t width = define(i, source.rows);
            matrix(i, source.width, width);
            optional_vector(3 + i, width);
        }
    }

    void check_norm() {
        expect_counts(1, 1, operation_->kind == HEARTH_LAYER_NORM ? 2 : 1);
        const auto& p = operation_->parameters.norm;
        const Value source = input(0);
        define_like(0, source);
        require(std::isfinite(p.epsilon) && p.epsilon >= 0, "epsilon must be at least 0");
        require(p.group_width >= 0 && (p.group_width == 0 || source.width % p.group_width == 0),
                "group_width must divide the width");
        const int64_t width = p.group_width == 0 ? source.width : p.group_width;
        optional_vector(0, width);
        if (operation_->kind == HEARTH_LAYER_NORM) optional_vector(1, width);
    }

    void check_rope() {
        expect_counts(1, 1, 1);
        const auto& p = operation_->parameters.rope;
        const Value source = input(0);
        require(source.rows == RowKind::Step, "positions belong to the rows of the step");
        define_like(0, source);
        require(p.layout == HEARTH_ROPE_INTERLEAVED || p.layout == HEARTH_ROPE_HALVES, "unknown layout");
        require(p.head_width > 0 && source.width % p.head_width == 0, "head_width must divide the width");
        require(p.dimensions > 0 && p.dimensions % 2 == 0 && p.dimensions <= p.head_width,
                "dimensions must be even and at most head_width");
        require(p.offset >= 0 && p.offset <= p.head_width - p.dimensions,
                "offset + dimensions must be at most head_width");
        require(std::isfinite(p.base) && p.base > 0, "base must be above 0");
        require(std::isfinite(p.frequency_scale) && p.frequency_scale > 0, "frequency_scale must be above 0");
        require(std::isfinite(p.extrapolation) && std::isfinite(p.attention_factor) &&
                    std::isfinite(p.beta_fast) && std::isfinite(p.beta_slow),
                "YaRN's parameters must be finite");
        require(p.extrapolation == 0 || p.original_context > 0, "YaRN needs original_context");
        optional_vector(0, p.dimensions / 2);
    }

    void use_layer(std::vector<CacheLayerShape>& layers, int32_t layer, int32_t kv_heads, int32_t key_width,
                   int32_t value_width) {
        if (layer < 0 || layer >= kMaxLayers) reject("layer must be 0 to %d, got %d", kMaxLayers - 1, layer);
        if (layers.size() <= static_cast<size_t>(layer))
            layers.resize(static_cast<size_t>(layer) + 1, {0, 0, 0});
        CacheLayerShape& shape = layers[static_cast<size_t>(layer)];
        if (shape.kv_heads == 0) shape = {kv_heads, key_width, value_width};
        if (shape.kv_heads != kv_heads || shape.key_width != key_width || shape.value_width != value_width)
            reject("layer %d of the cache is used with two shapes", layer);
    }

    void check_cache_write() {
        const auto& p = operation_->parameters.cache_write;
        const bool has_values = p.value_width != 0;
        expect_counts(has_values ? 2 : 1, 0, 0);
        require(input(0).rows == RowKind::Step && (!has_values || input(1).rows == RowKind::Step),
                "only rows of the step are cached");
        check_heads(p.kv_heads, p.key_width, has_values ? p.value_width : p.key_width);
        check_width(0, int64_t{p.kv_heads} * p.key_width);
        if (has_values) check_width(1, int64_t{p.kv_heads} * p.value_width);
        use_layer(program_.cache_layers_, p.layer, p.kv_heads, p.key_width, p.value_width);
    }

    void check_heads(int32_t heads, int32_t key_width, int32_t value_width) const {
        require(heads > 0 && heads <= kMaxWidth && key_width > 0 && key_width <= kMaxWidth &&
                    value_width > 0 && value_width <= kMaxWidth,
                "heads and their widths must be above 0");
    }

    void check_width(int slot, int64_t width) const {
        if (input(slot).width != width)
            reject("input %d is %lld wide, expected %lld", slot, static_cast<long long>(input(slot).width),
                   static_cast<long long>(width));
    }

    void check_attention() {
        const auto& p = operation_->parameters.attention;
        require(p.source >= HEARTH_SOURCE_CACHE && p.source <= HEARTH_SOURCE_MEMORY, "unknown source");
        const bool rows = p.source == HEARTH_SOURCE_ROWS;
        const bool relative = p.relative_distances > 0;
        expect_counts(rows ? (p.values_in_keys ? 2 : 3) : relative ? 2 : 1, 1, 2);
        require(input(0).rows == RowKind::Step, "queries must be rows of the step");
        check_attention_parameters(p, [this](const char* what) { reject("%s", what); });
        check_width(0, int64_t{p.heads} * p.key_width);
        if (rows) {
            check_source_rows(1, int64_t{p.kv_heads} * p.key_width);
            if (!p.values_in_keys) check_source_rows(2, int64_t{p.kv_heads} * p.value_width);
        } else {
            auto& layers = p.source == HEARTH_SOURCE_CACHE ? program_.cache_layers_ : program_.memory_layers_;
            use_layer(layers, p.layer, p.kv_heads, p.key_width, p.values_in_keys ? 0 : p.value_width);
            if (relative) check_source_rows(1, int64_t{p.heads} * p.relative_distances);
        }
        require(p.source != HEARTH_SOURCE_MEMORY || (p.alibi_bias == 0 && p.bias_buckets == 0),
                "positions of the memory have no distance to the step's");
        const int64_t width = define(0, RowKind::Step);
        require(width == int64_t{p.heads} * p.value_width, "output must be heads * value_width wide");
        optional_vector(0, p.heads);
        require((p.bias_buckets > 0) == (operation_->weight[1] >= 0),
                "bias_buckets needs its table, weight 1");
        optional_vector(1, int64_t{p.bias_buckets} * p.heads);
    }

    void check_source_rows(int slot, int64_t width) const {
        check_width(slot, width);
        require(input(slot).rows == RowKind::Step, "keys and values must be rows of the step");
    }

    void check_binary() {
        expect_counts(2, 1, 1);
        const Value left = input(0);
        if (has_input(1)) {
            require(operation_->weight[0] < 0, "the right side is an input or a weight, not both");
            const Value right = input(1);
            require(left.rows == right.rows && (left.width == right.width || right.width == 1),
                    "the right input must be of the left's shape or one wide");
        } else {
            const hearth_weight& right = use(0, WeightRole::Vector);
            vector(0, right.columns == 1 ? 1 : left.width);
        }
        define_like(0, left);
    }

    void check_factor() {
        expect_counts(1, 1, 0);
        const auto& p = operation_->parameters.factor;
        require(std::isfinite(p.factor) && std::isfinite(p.offset), "factor and offset must be finite");
        require(operation_->kind != HEARTH_SOFTCAP || (p.factor > 0 && p.offset == 0),
                "factor must be above 0, and offset 0");
        const Value source = input(0);
        define_like(0, source);
    }

    void check_log_softmax() {
        expect_counts(1, 1, 0);
        const Value source = input(0);
        define_like(0, source);
    }

    void check_clamp() {
        expect_counts(1, 1, 0);
        const auto& p = operation_->parameters.clamp;
        require(p.least <= p.most, "least must be at most most");  // either may be infinite
        const Value source = input(0);
        define_like(0, source);
    }

    // The width of one of so many equal groups of a value's columns.
    int64_t group_width(int slot, int32_t groups) const {
        require(groups > 0 && input(slot).width % groups == 0, "groups must divide the input's width");
        return input(slot).width / groups;
    }

    void expect_output(int slot, RowKind rows, int64_t expected) {
        const int64_t width = define(slot, rows);
        if (width != expected)
            reject("output %d is %lld wide, expected %lld", slot, static_cast<long long>(width),
                   static_cast<long long>(expected));
    }

    void check_slice() {
        expect_counts(1, 1, 0);
        const auto& p = operation_->parameters.slice;
        const int64_t group = group_width(0, p.groups);
        require(p.offset >= 0 && p.width > 0 && p.offset <= group && p.width <= group - p.offset,
                "offset + width must be at most a group's width");
        expect_output(0, input(0).rows, int64_t{p.groups} * p.width);
    }

    void check_concat() {
        expect_counts(2, 1, 0);
        const auto& p = operation_->parameters.concat;
        const Value left = input(0), right = input(1);
        require(left.rows == right.rows, "both inputs must have the same rows");
        const int64_t group = group_width(0, p.groups), output = output_width(0);
        const int64_t added = output - left.width;
        require(
            added > 0 && added % p.groups == 0 && (added == right.width || added / p.groups == right.width),
            "the output must be as wide as the left input and the right, or a copy of it for each group");
        expect_output(0, left.rows, int64_t{p.groups} * (group + added / p.groups));
    }

    int64_t output_width(int slot) const {
        if (operation_->output[slot] < 0) reject("output %d is missing", slot);
        return program_.values_[static_cast<size_t>(operation_->output[slot])].width;
    }

    void check_router() {
        expect_counts(1, 2, 1);
        const auto& p = operation_->parameters.router;
        const Value scores = input(0);
        require(p.gating >= HEARTH_GATING_SOFTMAX && p.gating <= HEARTH_GATING_SOFTMAX_CHOSEN,
                "unknown gating");
        require(scores.width <= kMaxStack, "there are too many experts");
        const int64_t groups = std::max(p.groups, 1);
        const int64_t usable = p.groups > 1 ? p.chosen_groups : 1;
        require(p.groups >= 0 && scores.width % groups == 0 && usable >= 1 && usable <= groups,
                "groups must divide the experts, and chosen_groups be 1 to groups");
        require(p.chosen >= 1 && p.chosen <= scores.width / groups * usable,
                "chosen must be 1 to the experts that can be chosen");
        require((p.normalize == 0 || p.normalize == 1) && (p.choose_by_score == 0 || p.choose_by_score == 1),
                "normalize and choose_by_score must be 0 or 1");
        require(std::isfinite(p.least_sum) && p.least_sum >= 0 && std::isfinite(p.scale),
                "least_sum and scale must be finite");
        const int64_t shared = std::max(p.experts_per_matrix, 1);
        require(p.experts_per_matrix >= 0 && scores.width % shared == 0,
                "experts_per_matrix must divide the experts");
        expect_output(0, scores.rows, p.chosen);
        expect_output(1, scores.rows, p.chosen);
        optional_vector(0, scores.width);
        program_.experts_of_[operation_->output[1]] = static_cast<int32_t>(scores.width / shared);
    }

    void check_expert_linear() {
        expect_counts(2, 2, 5);
        require(operation_->weight[2] < 0, "takes two weights at most, with their biases in 3 and 4");
        const Value source = input(0), experts = input(1);
        require(source.rows == experts.rows, "both inputs must have the same rows");
        // Only a router's numbers are known to be experts that exist.
        const auto known = program_.experts_of_.find(operation_->input[1]);
        require(known != program_.experts_of_.end(), "input 1 must be a router's choice");
        const int64_t chosen = experts.width;
        for (int i = 0; i < 2; ++i) {
            if (operation_->output[i] < 0) {
                require(i > 0, "at least one output is needed");
                require(operation_->weight[i] < 0 && operation_->weight[3 + i] < 0, "a weight has no output");
                continue;
            }
            const int64_t width = define(i, source.rows);
            require(width % chosen == 0, "the output must be chosen * rows wide");
            const hearth_weight& weight = matrix(i, -1, width / chosen, known->second);
            require(source.width == weight.columns || source.width == chosen * weight.columns,
                    "the input must be columns or chosen * columns wide");
            optional_vector(3 + i, weight.rows * weight.stack);
        }
        require(operation_->output[1] < 0 ||
                    program_.weights_[static_cast<size_t>(operation_->weight[0])].columns ==
                        program_.weights_[static_cast<size_t>(operation_->weight[1])].columns,
                "both weights must have the same columns");
    }

    void check_expert_sum() {
        expect_counts(2, 1, 0);
        const Value source = input(0), weights = input(1);
        require(source.rows == weights.rows && source.width % weights.width == 0,
                "input 0 must be a multiple as wide as input 1, with the same rows");
        expect_output(0, source.rows, source.width / weights.width);
    }

    void check_grouped_linear() {
        expect_counts(1, 1, 1);
        const Value source = input(0);
        const hearth_weight& weight = use(0, WeightRole::Matrix);
        require(source.width == weight.columns * weight.stack, "the input must be stack * columns wide");
        expect_output(0, source.rows, weight.rows * weight.stack);
    }

    // ---- Operations that keep a state
    // ---------------------------------------------------------------------

    void use_state(int32_t state, int64_t width) {
        auto& widths = program_.state_widths_;
        if (state < 0 || state >= kMaxLayers) reject("state must be 0 to %d, got %d", kMaxLayers - 1, state);
        if (widths.size() <= static_cast<size_t>(state)) widths.resize(static_cast<size_t>(state) + 1, 0);
        if (widths[static_cast<size_t>(state)] != 0) reject("state %d belongs to two operations", state);
        if (width > kMaxStateWidth)
            reject("the state has %lld values, at most %lld are possible", static_cast<long long>(width),
                   static_cast<long long>(kMaxStateWidth));
        widths[static_cast<size_t>(state)] = width;
    }

    void check_step_rows(int inputs) const {
        for (int i = 0; i < inputs; ++i)
            require(input(i).rows == RowKind::Step, "a state goes on from row to row of the step");
    }

    static bool in_range(int32_t value, int32_t most) { return value >= 1 && value <= most; }

    void check_short_convolution() {
        expect_counts(1, 1, 2);
        check_step_rows(1);
        const auto& p = operation_->parameters.convolution;
        constexpr int32_t kMaxTaps = 64;
        if (p.taps < 2 || p.taps > kMaxTaps) reject("taps must be 2 to %d, got %d", kMaxTaps, p.taps);
        check_function(p.function);
        require(p.function != HEARTH_FUNCTION_XIELU, "XIELU is for the activation operation");
        const Value source = input(0);
        define_like(0, source);
        vector(0, p.taps * source.width);
        optional_vector(1, source.width);
        use_state(p.state, (p.taps - 1) * source.width);
    }

    void check_selective_scan() {
        expect_counts(4, 1, 2);
        check_step_rows(4);
        const auto& p = operation_->parameters.scan;
        require(in_range(p.heads, kMaxWidth) && in_range(p.head_width, kMaxWidth) &&
                    int64_t{p.heads} * p.head_width <= kMaxWidth,
                "heads and head_width must be above 0, their product at most 2^24");
        if (!in_range(p.state_width, kMaxKeyWidth))
            reject("state_width must be 1 to %d, got %d", kMaxKeyWidth, p.state_width);
        if (!in_range(p.groups, p.heads) || p.heads % p.groups != 0)
            reject("groups must divide the %d heads, got %d", p.heads, p.groups);
        require(p.decays_by_state == 0 || (p.decays_by_state == 1 && p.head_width == 1),
                "decays_by_state must be 0 or 1, and then head_width 1");
        check_width(0, int64_t{p.heads} * p.head_width);
        check_width(1, p.heads);
        check_width(2, int64_t{p.groups} * p.state_width);
        check_width(3, int64_t{p.groups} * p.state_width);
        define_like(0, input(0));
        vector(0, p.decays_by_state ? int64_t{p.heads} * p.state_width : p.heads);
        optional_vector(1, p.heads);
        use_state(p.state, int64_t{p.heads} * p.head_width * p.state_width);
    }

    void check_delta_rule() {
        expect_counts(5, 1, 0);
        check_step_rows(5);
        const auto& p = operation_->parameters.delta;
        if (!in_range(p.heads, kMaxWidth) || !in_range(p.key_heads, p.heads) || p.heads % p.key_heads != 0)
            reject("key_heads must divide heads, got %d and %d", p.key_heads, p.heads);
        if (!in_range(p.key_width, kMaxKeyWidth))
            reject("key_width must be 1 to %d, got %d", kMaxKeyWidth, p.key_width);
        require(in_range(p.value_width, kMaxWidth), "value_width must be above 0");
        require(p.decay_width == 1 || p.decay_width == p.key_width, "decay_width must be 1 or key_width");
        require(p.keys_in_turns == 0 || p.keys_in_turns == 1, "keys_in_turns must be 0 or 1");
        require(std::isfinite(p.scale), "scale must be finite");
        check_width(0, int64_t{p.key_heads} * p.key_width);
        check_width(1, int64_t{p.key_heads} * p.key_width);
        check_width(2, int64_t{p.heads} * p.value_width);
        check_width(3, int64_t{p.heads} * p.decay_width);
        check_width(4, p.heads);
        define_like(0, input(2));
        use_state(p.state, int64_t{p.heads} * p.key_width * p.value_width);
    }

    void check_wkv() {
        const bool corrects = has_input(4);
        expect_counts(corrects ? 6 : 4, 1, 1);
        check_step_rows(corrects ? 6 : 4);
        const auto& p = operation_->parameters.wkv;
        require(in_range(p.heads, kMaxWidth) && in_range(p.value_width, kMaxWidth),
                "heads and value_width must be above 0");
        if (!in_range(p.key_width, kMaxKeyWidth))
            reject("key_width must be 1 to %d, got %d", kMaxKeyWidth, p.key_width);
        require(std::isfinite(p.scale), "scale must be finite");
        const int64_t keys = int64_t{p.heads} * p.key_width;
        check_width(0, keys);
        check_width(1, keys);
        check_width(2, int64_t{p.heads} * p.value_width);
        check_width(3, keys);
        if (corrects) {
            check_width(4, keys);
            check_width(5, keys);
            require(operation_->weight[0] < 0, "takes inputs 4 and 5 or weight 0, not both");
        }
        optional_vector(0, keys);
        define_like(0, input(2));
        use_state(p.state, keys * p.value_width);
    }

    void check_function(int32_t function, int32_t last = HEARTH_FUNCTION_EXP) const {
        if (function < HEARTH_FUNCTION_NONE || function > last) reject("unknown function %d", function);
    }

    void check_activation() {
        expect_counts(2, 1, 0);
        const auto& p = operation_->parameters.activation;
        check_function(p.function);
        require(std::isfinite(p.negative_alpha) && std::isfinite(p.positive_alpha) && std::isfinite(p.beta) &&
                    std::isfinite(p.epsilon),
                "XIELU's parameters must be finite");
        const Value source = input(0);
        if (has_input(1))
            require(input(1).rows == source.rows && input(1).width == source.width,
                    "both inputs must have one shape");
        define_like(0, source);
    }

    void check_gather() {
        expect_counts(1, 1, 0);
        const Value source = input(0);
        require(source.rows == RowKind::Step, "the input must be rows of the step");
        const int64_t width = define(0, RowKind::Output);
        require(width == source.width, "output must be as wide as the input");
    }

    void check_result() {
        const int32_t result = program_.result_;
        if (result < 0 || result >= source_.value_count ||
            program_.values_[static_cast<size_t>(result)].first_operation < 0)
            fail(HEARTH_INVALID_PROGRAM, "the result, value %d, is never written", result);
        Value& value = program_.values_[static_cast<size_t>(result)];
        if (value.rows != RowKind::Output)
            fail(HEARTH_INVALID_PROGRAM, "the result, value %d, must be gathered output rows", result);
        value.last_operation = source_.operation_count;
    }

    Program& program_;
    const hearth_program& source_;
    int32_t index_ = 0;
    const hearth_operation* operation_ = nullptr;
    bool embeds_tokens_ = false;
};

Program::Program(const hearth_program& source) {
    ProgramChecker(*this, source).check();
}

}  // namespace hearth

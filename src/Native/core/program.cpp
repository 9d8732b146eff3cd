#include "core/program.h"

#include <limits>

#include "core/program_checker.h"
#include "core/types.h"

namespace hearth {

Program::Program(const hearth_program& source) {
    ProgramChecker(*this, source).check();
}

void ProgramChecker::check() {
    copy();
    for (index_ = 0; index_ < static_cast<int32_t>(program_.operations_.size()); ++index_) {
        operation_ = &program_.operations_[static_cast<size_t>(index_)];
        check_slots();
        check_operation();
    }
    check_result();
}

void ProgramChecker::check_operation() {
    const OperationFacts& facts = operation_facts(operation_->kind);
    expect_counts(facts.inputs, facts.outputs, facts.weights);
    if (facts.keeps_state()) check_step_rows();
    switch (operation_->kind) {
#define HEARTH_OPERATION(number, KIND, name, check, ...) \
    case HEARTH_##KIND:                                  \
        return check();
#include "core/operations.def"
#undef HEARTH_OPERATION
    }
}

void ProgramChecker::reject(const char* format, ...) const {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fail(HEARTH_INVALID_PROGRAM, "operation %d (%s): %s", index_, operation_name(operation_->kind), text);
}

void ProgramChecker::require(bool condition, const char* what) const {
    if (!condition) reject("%s", what);
}

void ProgramChecker::copy() {
    const auto counted = [](const void* pointer, int32_t count, const char* what) {
        if (count < 1 || count > kMaxCount || pointer == nullptr)
            fail(HEARTH_INVALID_PROGRAM, "a program needs 1 to %d %s, got %d", kMaxCount, what, count);
    };
    counted(source_.operations, source_.operation_count, "operations");
    counted(source_.value_widths, source_.value_count, "values");
    counted(source_.weights, source_.weight_count, "weights");
    if (source_.max_rows < 1 || source_.max_rows > kMaxRows || source_.max_output_rows < 1 ||
        source_.max_output_rows > source_.max_rows)
        fail(HEARTH_INVALID_PROGRAM, "rows of a step must be 1 to %d and output rows no more, got %d and %d",
             kMaxRows, source_.max_rows, source_.max_output_rows);
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

void ProgramChecker::check_slots() {
    if (find_operation(operation_->kind) == nullptr) reject("unknown kind %d", operation_->kind);
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

void ProgramChecker::expect_counts(int inputs, int outputs, int weights) const {
    const auto rest_unused = [&](const int32_t* slots, int used, int total, const char* what) {
        for (int i = used; i < total; ++i)
            if (slots[i] != -1) reject("takes at most %d %s", used, what);
    };
    rest_unused(operation_->input, inputs, HEARTH_INPUTS, "inputs");
    rest_unused(operation_->output, outputs, 3, "outputs");
    rest_unused(operation_->weight, weights, 6, "weights");
}

const Value& ProgramChecker::input(int slot) const {
    if (operation_->input[slot] < 0) reject("input %d is missing", slot);
    return program_.values_[static_cast<size_t>(operation_->input[slot])];
}

int64_t ProgramChecker::define(int slot, RowKind rows) {
    if (operation_->output[slot] < 0) reject("output %d is missing", slot);
    Value& value = program_.values_[static_cast<size_t>(operation_->output[slot])];
    if (value.first_operation >= 0) reject("value %d is written twice", operation_->output[slot]);
    value.first_operation = index_;
    value.last_operation = index_;
    value.rows = rows;
    return value.width;
}

void ProgramChecker::define_like(int slot, const Value& other) {
    const int64_t width = define(slot, other.rows);
    if (width != other.width)
        reject("output is %lld wide, expected %lld", static_cast<long long>(width),
               static_cast<long long>(other.width));
}

void ProgramChecker::expect_output(int slot, RowKind rows, int64_t expected) {
    const int64_t width = define(slot, rows);
    if (width != expected)
        reject("output %d is %lld wide, expected %lld", slot, static_cast<long long>(width),
               static_cast<long long>(expected));
}

int64_t ProgramChecker::output_width(int slot) const {
    if (operation_->output[slot] < 0) reject("output %d is missing", slot);
    return program_.values_[static_cast<size_t>(operation_->output[slot])].width;
}

void ProgramChecker::check_width(int slot, int64_t width) const {
    if (input(slot).width != width)
        reject("input %d is %lld wide, expected %lld", slot, static_cast<long long>(input(slot).width),
               static_cast<long long>(width));
}

int64_t ProgramChecker::group_width(int slot, int32_t groups) const {
    require(groups > 0 && input(slot).width % groups == 0, "groups must divide the input's width");
    return input(slot).width / groups;
}

const hearth_weight& ProgramChecker::matrix(int slot, int64_t columns, int64_t rows, int32_t stack) {
    const hearth_weight& weight = use(slot, WeightRole::Matrix);
    if ((columns >= 0 && weight.columns != columns) || (rows >= 0 && weight.rows != rows))
        reject("weight %d is %lld x %lld, expected %lld x %lld", operation_->weight[slot],
               static_cast<long long>(weight.rows), static_cast<long long>(weight.columns),
               static_cast<long long>(rows), static_cast<long long>(columns));
    if (weight.stack != stack)
        reject("weight %d has %d matrices, expected %d", operation_->weight[slot], weight.stack, stack);
    return weight;
}

void ProgramChecker::vector(int slot, int64_t size) {
    const hearth_weight& weight = use(slot, WeightRole::Vector);
    if (weight.type != HEARTH_TYPE_F32) reject("weight %d must be F32", operation_->weight[slot]);
    if (weight.rows != 1 || weight.columns != size || weight.stack != 1)
        reject("weight %d is %lld x %lld, expected one row of %lld", operation_->weight[slot],
               static_cast<long long>(weight.rows), static_cast<long long>(weight.columns),
               static_cast<long long>(size));
}

void ProgramChecker::optional_vector(int slot, int64_t size) {
    if (operation_->weight[slot] >= 0) vector(slot, size);
}

const hearth_weight& ProgramChecker::use(int slot, WeightRole role) {
    const int32_t number = operation_->weight[slot];
    if (number < 0) reject("weight %d is missing", slot);
    WeightRole& known = program_.roles_[static_cast<size_t>(number)];
    if (known != WeightRole::Unused && known != role)
        reject("weight %d is used both as matrix and vector", number);
    known = role;
    return program_.weights_[static_cast<size_t>(number)];
}

void ProgramChecker::use_layer(std::vector<CacheLayerShape>& layers, int32_t layer, int32_t kv_heads,
                               int32_t key_width, int32_t value_width) {
    if (layer < 0 || layer >= kMaxLayers) reject("layer must be 0 to %d, got %d", kMaxLayers - 1, layer);
    if (layers.size() <= static_cast<size_t>(layer)) layers.resize(static_cast<size_t>(layer) + 1, {0, 0, 0});
    CacheLayerShape& shape = layers[static_cast<size_t>(layer)];
    if (shape.kv_heads == 0) shape = {kv_heads, key_width, value_width};
    if (shape.kv_heads != kv_heads || shape.key_width != key_width || shape.value_width != value_width)
        reject("layer %d of the cache is used with two shapes", layer);
}

void ProgramChecker::check_function(int32_t function, int32_t last) const {
    if (function < HEARTH_FUNCTION_NONE || function > last) reject("unknown function %d", function);
}

void ProgramChecker::check_result() {
    const int32_t result = program_.result_;
    if (result < 0 || result >= source_.value_count ||
        program_.values_[static_cast<size_t>(result)].first_operation < 0)
        fail(HEARTH_INVALID_PROGRAM, "the result, value %d, is never written", result);
    Value& value = program_.values_[static_cast<size_t>(result)];
    if (value.rows != RowKind::Output)
        fail(HEARTH_INVALID_PROGRAM, "the result, value %d, must be gathered output rows", result);
    value.last_operation = source_.operation_count;
}

}  // namespace hearth

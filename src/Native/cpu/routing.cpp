// For a row: gates = gating(scores); value of the choice = gate (or score) + bias; of the groups whose two
// best values sum highest, the experts of the highest values; their gates, normalized and scaled, are the
// weights (arXiv 2401.06066, 2412.19437).
#include "cpu/routing.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "cpu/rows/kernels.h"

namespace hearth {

namespace {

// The work space of a thread; each array has an entry an expert.
struct Work {
    float* gates;
    float* values;  // of the choice
    float* group_values;
    int32_t* order;
    int32_t* groups;

    Work(Buffer& scratch, int64_t experts, int thread) {
        gates = scratch.as<float>() + static_cast<int64_t>(thread) * kArrays * experts;
        values = gates + experts;
        group_values = values + experts;
        order = reinterpret_cast<int32_t*>(group_values + experts);
        groups = order + experts;
    }
    static constexpr int64_t kArrays = 5;
};

constexpr float kWorst = -std::numeric_limits<float>::infinity();

// The best of numbers [count] by value come first, in falling order; the lower number among equals.
void sort_best(int32_t* numbers, int64_t count, int64_t wanted, const float* values) {
    std::partial_sort(numbers, numbers + wanted, numbers + count, [values](int32_t a, int32_t b) {
        return values[a] > values[b] || (values[a] == values[b] && a < b);
    });
}

float sum_of_two_best(const float* values, int64_t count) {
    float first = kWorst, second = kWorst;
    for (int64_t i = 0; i < count; ++i) {
        if (values[i] > first) {
            second = first;
            first = values[i];
        } else if (values[i] > second) {
            second = values[i];
        }
    }
    return count == 1 ? first : first + second;
}

// Fills order with the experts that may be chosen; returns how many they are.
int64_t list_candidates(const hearth_router_parameters& parameters, int64_t experts, const Work& work) {
    const int64_t groups = std::max<int64_t>(1, parameters.groups);
    const int64_t size = experts / groups;
    int64_t usable = groups;
    for (int64_t g = 0; g < groups; ++g) work.groups[g] = static_cast<int32_t>(g);
    if (groups > 1) {
        usable = parameters.chosen_groups;
        for (int64_t g = 0; g < groups; ++g)
            work.group_values[g] = sum_of_two_best(work.values + g * size, size);
        sort_best(work.groups, groups, usable, work.group_values);
    }
    int64_t count = 0;
    for (int64_t g = 0; g < usable; ++g)
        for (int64_t i = 0; i < size; ++i)
            work.order[count++] = static_cast<int32_t>(work.groups[g] * size + i);
    return count;
}

void finish_weights(const hearth_router_parameters& parameters, float* weights, const RowKernels& kernels) {
    const int64_t chosen = parameters.chosen;
    if (parameters.gating == HEARTH_GATING_SOFTMAX_CHOSEN) kernels.softmax(weights, weights, chosen);
    if (parameters.normalize) {
        double total = 0;
        for (int64_t i = 0; i < chosen; ++i) total += static_cast<double>(weights[i]);
        const float sum = std::max(parameters.least_sum, static_cast<float>(total));
        for (int64_t i = 0; i < chosen; ++i) weights[i] /= sum;
    }
    if (parameters.scale != 1.0f)
        for (int64_t i = 0; i < chosen; ++i) weights[i] *= parameters.scale;
}

void route_row(const RouterCall& call, int64_t row, const Work& work, const RowKernels& kernels) {
    const hearth_router_parameters& parameters = call.parameters;
    const int64_t experts = call.scores.width, chosen = parameters.chosen;
    const float* scores = call.scores.data + row * experts;
    const float* gates = scores;
    if (parameters.gating == HEARTH_GATING_SOFTMAX) {
        kernels.softmax(scores, work.gates, experts);
        gates = work.gates;
    } else if (parameters.gating == HEARTH_GATING_SIGMOID) {
        kernels.activation(HEARTH_FUNCTION_SIGMOID, scores, nullptr, work.gates, experts);
        gates = work.gates;
    }
    const float* base = parameters.choose_by_score ? scores : gates;
    for (int64_t i = 0; i < experts; ++i) {
        const float value = call.bias ? base[i] + call.bias[i] : base[i];
        work.values[i] = std::isnan(value) ? kWorst : value;
    }
    const int64_t candidates = list_candidates(parameters, experts, work);
    sort_best(work.order, candidates, chosen, work.values);
    float* weights = call.weights.data + row * chosen;
    float* numbers = call.experts.data + row * chosen;
    const int32_t shared = std::max(parameters.experts_per_matrix, 1);
    for (int64_t i = 0; i < chosen; ++i) {
        const int32_t number = work.order[i] / shared;
        weights[i] = gates[number];
        numbers[i] = static_cast<float>(number);
    }
    finish_weights(parameters, weights, kernels);
}

}  // namespace

size_t route_scratch_bytes(int64_t experts, int threads) {
    return static_cast<size_t>(experts * Work::kArrays * threads) * sizeof(float);
}

void route(hearth_isa isa, const RouterCall& call, Buffer& scratch, ThreadPool& pool) {
    const int64_t experts = call.scores.width;
    if (scratch.size() < route_scratch_bytes(experts, pool.threads()))
        fail(HEARTH_INTERNAL, "a router of %lld experts has %zu bytes of scratch",
             static_cast<long long>(experts), scratch.size());
    const RowKernels& kernels = row_kernels(isa);
    const int64_t grain = std::max<int64_t>(1, 4096 / experts);
    pool.parallel_for(call.scores.rows, grain, [&](int64_t begin, int64_t end, int thread) {
        const Work work(scratch, experts, thread);
        for (int64_t row = begin; row < end; ++row) route_row(call, row, work, kernels);
    });
}

}  // namespace hearth

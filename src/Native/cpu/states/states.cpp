#include "cpu/states.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "cpu/rows/kernels.h"
#include "cpu/states/kernels.h"

namespace hearth {

namespace {

// Channels of a convolution that one piece of work takes: many enough that its rows are read in long runs.
constexpr int64_t kConvolutionBlock = 512;
constexpr int64_t kMaxKeyWidth = 1 << 12;

int64_t blocks_of(int64_t count, int64_t block) {
    return (count + block - 1) / block;
}

// Brings the state that a run starts from to where it is kept: `lines` of `width` floats, `stride` apart.
void begin(const StateRun& run, const StateSteps& steps, int64_t offset, int64_t lines, int64_t width,
           int64_t stride) {
    if (run.from == run.to) return;
    for (int64_t i = 0; i < lines; ++i) {
        float* const to = steps.state(run.to) + offset + i * stride;
        if (run.from < 0)
            std::fill_n(to, width, 0.0f);
        else
            std::memcpy(to, steps.state(run.from) + offset + i * stride,
                        static_cast<size_t>(width) * sizeof(float));
    }
}

// Calls body(run, part) for every run of every sequence and each part of its state, the runs of a sequence in
// order.
template <typename Body>
void for_parts(const StateSteps& steps, int64_t parts, ThreadPool& pool, Body&& body) {
    pool.parallel_for(steps.sequence_count * parts, 1, [&](int64_t first, int64_t last, int) {
        for (int64_t i = first; i < last; ++i) {
            const int64_t sequence = i / parts;
            for (int32_t r = steps.begins[sequence]; r < steps.begins[sequence + 1]; ++r)
                body(steps.runs[r], i % parts);
        }
    });
}

StateRows rows_of(const ConstRows& rows, const StateRun& run, int64_t column) {
    return {rows.data + run.row_begin * rows.width + column, rows.width};
}

}  // namespace

void short_convolution(hearth_isa isa, ConstRows input, const float* taps, const float* bias,
                       const hearth_convolution_parameters& parameters, const StateSteps& steps, Rows output,
                       ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    const int64_t width = input.width;
    for_parts(steps, blocks_of(width, kConvolutionBlock), pool, [&](const StateRun& run, int64_t part) {
        const int64_t first = part * kConvolutionBlock;
        const int64_t channels = std::min(kConvolutionBlock, width - first);
        begin(run, steps, first, parameters.taps - 1, channels, width);
        kernels.convolution({.input = rows_of(input, run, first),
                             .output = output.data + run.row_begin * output.width + first,
                             .output_stride = output.width,
                             .taps = taps + first,
                             .tap_stride = width,
                             .bias = bias ? bias + first : nullptr,
                             .state = steps.state(run.to) + first,
                             .state_stride = width,
                             .rows = run.row_count,
                             .channels = channels,
                             .tap_count = parameters.taps,
                             .function = parameters.function});
    });
}

namespace {

void scan_heads(const RowKernels& kernels, const ScanCall& call, const hearth_scan_parameters& p,
                const StateSteps& steps, ThreadPool& pool) {
    const int64_t width = p.head_width, blocks = blocks_of(width, kStateBlock);
    for_parts(steps, p.heads * blocks, pool, [&](const StateRun& run, int64_t part) {
        const int64_t head = part / blocks, first = part % blocks * kStateBlock;
        const int64_t channels = std::min<int64_t>(kStateBlock, width - first);
        const int64_t group = head / (p.heads / p.groups);
        const int64_t offset = head * p.state_width * width + first;
        begin(run, steps, offset, p.state_width, channels, width);
        kernels.head_scan(
            {.x = rows_of(call.x, run, head * width + first),
             .sizes = rows_of(call.sizes, run, head),
             .b = rows_of(call.b, run, group * p.state_width),
             .c = rows_of(call.c, run, group * p.state_width),
             .decay = call.decay[head],
             .skip = call.skip ? call.skip[head] : 0.0f,
             .output = call.output.data + run.row_begin * call.output.width + head * width + first,
             .output_stride = call.output.width,
             .state = steps.state(run.to) + offset,
             .state_stride = width,
             .rows = run.row_count,
             .state_width = p.state_width,
             .channels = static_cast<int32_t>(channels)});
    });
}

// Blocks of channels of one group, in which no state is shared.
void scan_channels(const RowKernels& kernels, const ScanCall& call, const hearth_scan_parameters& p,
                   const StateSteps& steps, ThreadPool& pool) {
    const int64_t each = p.heads / p.groups, blocks = blocks_of(each, kScanBlock);
    for_parts(steps, p.groups * blocks, pool, [&](const StateRun& run, int64_t part) {
        const int64_t group = part / blocks, within = part % blocks * kScanBlock;
        const int64_t first = group * each + within;
        const int64_t channels = std::min<int64_t>(kScanBlock, each - within);
        const int64_t offset = first * p.state_width;
        begin(run, steps, offset, 1, channels * p.state_width, 0);
        kernels.channel_scan({.x = rows_of(call.x, run, first),
                              .sizes = rows_of(call.sizes, run, first),
                              .b = rows_of(call.b, run, group * p.state_width),
                              .c = rows_of(call.c, run, group * p.state_width),
                              .decays = call.decay + first,
                              .decay_stride = p.heads,
                              .skip = call.skip ? call.skip + first : nullptr,
                              .output = call.output.data + run.row_begin * call.output.width + first,
                              .output_stride = call.output.width,
                              .state = steps.state(run.to) + offset,
                              .rows = run.row_count,
                              .state_width = p.state_width,
                              .channels = static_cast<int32_t>(channels)});
    });
}

}  // namespace

void selective_scan(hearth_isa isa, const ScanCall& call, const hearth_scan_parameters& parameters,
                    const StateSteps& steps, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    if (parameters.decays_by_state)
        scan_channels(kernels, call, parameters, steps, pool);
    else
        scan_heads(kernels, call, parameters, steps, pool);
}

void delta_rule(hearth_isa isa, const DeltaCall& call, const hearth_delta_parameters& parameters,
                const StateSteps& steps, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    const hearth_delta_parameters& p = parameters;
    const int64_t width = p.value_width, blocks = blocks_of(width, kStateBlock);
    for_parts(steps, p.heads * blocks, pool, [&](const StateRun& run, int64_t part) {
        const int64_t head = part / blocks, first = part % blocks * kStateBlock;
        const int64_t channels = std::min<int64_t>(kStateBlock, width - first);
        const int64_t key = p.keys_in_turns ? head % p.key_heads : head / (p.heads / p.key_heads);
        const int64_t offset = head * p.key_width * width + first;
        begin(run, steps, offset, p.key_width, channels, width);
        std::array<float, kMaxKeyWidth> factors;
        kernels.delta({.queries = rows_of(call.queries, run, key * p.key_width),
                       .keys = rows_of(call.keys, run, key * p.key_width),
                       .values = rows_of(call.values, run, head * width + first),
                       .decays = rows_of(call.decays, run, head * p.decay_width),
                       .betas = rows_of(call.betas, run, head),
                       .output = call.output.data + run.row_begin * call.output.width + head * width + first,
                       .output_stride = call.output.width,
                       .state = steps.state(run.to) + offset,
                       .state_stride = width,
                       .factors = factors.data(),
                       .rows = run.row_count,
                       .key_width = p.key_width,
                       .channels = static_cast<int32_t>(channels),
                       .decays_by_key = p.decay_width > 1,
                       .scale = p.scale});
    });
}

void wkv(hearth_isa isa, const WkvCall& call, const hearth_wkv_parameters& p, const StateSteps& steps,
         ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    const int64_t width = p.value_width, blocks = blocks_of(width, kStateBlock);
    for_parts(steps, p.heads * blocks, pool, [&](const StateRun& run, int64_t part) {
        const int64_t head = part / blocks, first = part % blocks * kStateBlock;
        const int64_t channels = std::min<int64_t>(kStateBlock, width - first);
        const int64_t key = head * p.key_width, offset = key * width + first;
        const auto optional = [&](const ConstRows& rows) {
            return rows.data ? rows_of(rows, run, key) : StateRows{};
        };
        begin(run, steps, offset, p.key_width, channels, width);
        std::array<float, kMaxKeyWidth> factors;
        kernels.wkv({.receptances = rows_of(call.receptances, run, key),
                     .keys = rows_of(call.keys, run, key),
                     .values = rows_of(call.values, run, head * width + first),
                     .decays = rows_of(call.decays, run, key),
                     .removals = optional(call.removals),
                     .replacements = optional(call.replacements),
                     .bonus = call.bonus ? call.bonus + key : nullptr,
                     .output = call.output.data + run.row_begin * call.output.width + head * width + first,
                     .output_stride = call.output.width,
                     .state = steps.state(run.to) + offset,
                     .state_stride = width,
                     .factors = factors.data(),
                     .rows = run.row_count,
                     .key_width = p.key_width,
                     .channels = static_cast<int32_t>(channels),
                     .scale = p.scale});
    });
}

}  // namespace hearth

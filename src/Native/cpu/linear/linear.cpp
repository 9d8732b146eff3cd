// Splits a call into pieces for the threads: activations are brought into the kernels' order once, then every
// piece multiplies some panels with some tiles of rows.
#include "cpu/linear.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "cpu/linear/kernels.h"
#include "cpu/linear/layout.h"
#include "cpu/linear/tiles.h"
#include "cpu/rows/kernels.h"

namespace hearth {

namespace {

// Rows whose activations are held at once; bounds the scratch of a call. A multiple of every tile size.
constexpr int64_t kPassRows = 960;
constexpr int kMaxOutputs = 8;
// Rows for which a chunk is expanded once (BatchKernel): their sums fit beside it in the nearest cache.
constexpr int kBatchRows = 64;

// [columns][size] from rows; missing rows are zero.
void interleave(const float* input, int64_t stride, int64_t columns, int rows, int size, float* tile) {
    if (size == 1) {
        std::memcpy(tile, input, static_cast<size_t>(columns) * sizeof(float));
        return;
    }
    for (int64_t k = 0; k < columns; ++k)
        for (int r = 0; r < size; ++r) tile[k * size + r] = r < rows ? input[r * stride + k] : 0.0f;
}

struct Pass {
    const LinearCall& call;
    const LinearKernels& kernels;
    const RowKernels& row_kernels;
    const Tiles& tiles;
    int64_t first_row;
    int64_t row_bytes;  // of prepared activations
    const uint8_t* activations;
};

// An output's share of the pieces: groups of panels x groups of tiles.
struct Share {
    const LinearOutput* output;
    int64_t panel_bytes;
    int64_t panels;
    int64_t group_panels;  // panels of a piece
    int64_t group_tiles;   // tiles of a piece
    int64_t panel_groups;
    int64_t pieces;
    TileKernel largest, last;
    BatchKernel batch;  // null where tiles are multiplied one by one
};

Share share_out(const Pass& pass, const LinearOutput& output, int64_t total_bytes, int threads) {
    const PackedWeight& weight = *output.weight;
    const Tiles& tiles = pass.tiles;
    Share share;
    share.output = &output;
    share.panel_bytes = packed_panel_bytes(weight.type, weight.columns);
    share.panels = divide_up(weight.rows, kPanelRows);
    share.largest = find_tile(pass.kernels, weight.type, tiles.largest);
    share.last = find_tile(pass.kernels, weight.type, tiles.last);
    share.batch = pass.kernels.find_batch(weight.type);
    const bool decode = tiles.count == 1;
    // Fewer bytes where the call is too small to give every thread several pieces.
    const int64_t wanted =
        std::min(decode ? kDecodePieceBytes : kPrefillPieceBytes, total_bytes / (kPiecesPerThread * threads));
    share.group_panels =
        std::clamp<int64_t>(wanted / std::max<int64_t>(1, share.panel_bytes), 1, share.panels);
    share.panel_groups = divide_up(share.panels, share.group_panels);
    share.group_tiles = piece_tiles(tiles.largest * pass.row_bytes, tiles.count,
                                    kPiecesPerThread * threads / share.panel_groups);
    // Whole batches, however few of them fit the cache: expanding chunks again would cost more.
    if (share.batch && tiles.count > 1)
        share.group_tiles =
            divide_up(share.group_tiles, kBatchRows / tiles.largest) * (kBatchRows / tiles.largest);
    share.pieces = share.panel_groups * divide_up(tiles.count, share.group_tiles);
    return share;
}

// function(sums + bias) to the output; sums [rows][16], of which lanes belong to outputs.
void finish(const Pass& pass, float* sums, int rows, int lanes, const float* bias, float* output,
            int64_t stride) {
    if (bias)
        for (int r = 0; r < rows; ++r)
            for (int lane = 0; lane < lanes; ++lane) sums[r * kPanelRows + lane] += bias[lane];
    if (pass.call.function != HEARTH_FUNCTION_NONE)
        pass.row_kernels.activation(pass.call.function, sums, nullptr, sums, int64_t{rows} * kPanelRows);
    for (int r = 0; r < rows; ++r) store_lanes(output + r * stride, sums + r * kPanelRows, lanes);
}

// One panel with count tiles; more than one only where the share has a batch kernel.
void multiply_tiles(const Pass& pass, const Share& share, int64_t panel, int64_t tile, int count) {
    const Tiles& tiles = pass.tiles;
    const PackedWeight& weight = *share.output->weight;
    const int64_t tile_bytes = tiles.largest * pass.row_bytes;
    const uint8_t* data = weight.data.data() + panel * share.panel_bytes;
    const uint8_t* activations = pass.activations + tile * tile_bytes;
    alignas(64) float sums[kBatchRows * kPanelRows];
    if (count > 1)
        share.batch(data, activations, tile_bytes, count, weight.columns, sums);
    else
        (tile + 1 < tiles.count ? share.largest : share.last)(data, activations, weight.columns, sums);
    const int64_t row = panel * kPanelRows;
    const int lanes = static_cast<int>(std::min<int64_t>(kPanelRows, weight.rows - row));
    const float* bias = share.output->bias ? share.output->bias + row : nullptr;
    const int64_t first = tile * tiles.largest;
    const int rows = static_cast<int>(std::min<int64_t>(count * tiles.largest, tiles.rows - first));
    float* output = share.output->output + (pass.first_row + first) * share.output->stride + row;
    finish(pass, sums, rows, lanes, bias, output, share.output->stride);
}

void multiply_piece(const Pass& pass, const Share& share, int64_t piece) {
    const Tiles& tiles = pass.tiles;
    const int64_t first_panel = piece % share.panel_groups * share.group_panels;
    const int64_t end_panel = std::min(first_panel + share.group_panels, share.panels);
    const int64_t first_tile = piece / share.panel_groups * share.group_tiles;
    const int64_t end_tile = std::min(first_tile + share.group_tiles, tiles.count);
    const int64_t full_tiles = tiles.last == tiles.largest ? tiles.count : tiles.count - 1;
    for (int64_t panel = first_panel; panel < end_panel; ++panel)
        for (int64_t tile = first_tile, count = 1; tile < end_tile; tile += count) {
            const int64_t full = std::min(end_tile, full_tiles) - tile;
            count = share.batch ? std::clamp<int64_t>(full, 1, kBatchRows / tiles.largest) : 1;
            multiply_tiles(pass, share, panel, tile, static_cast<int>(count));
        }
}

void prepare_tiles(const Pass& pass, Preparation preparation, uint8_t* target, int64_t begin, int64_t end) {
    const LinearCall& call = pass.call;
    const Tiles& tiles = pass.tiles;
    for (int64_t tile = begin; tile < end; ++tile) {
        const float* input = call.input + (pass.first_row + tile * tiles.largest) * call.stride;
        uint8_t* to = target + tile * tiles.largest * pass.row_bytes;
        if (preparation != Preparation::Exact) {
            find_prepare(pass.kernels, preparation)(input, call.stride, call.columns, tiles.valid(tile),
                                                    tiles.size(tile), to);
            continue;
        }
        interleave(input, call.stride, call.columns, tiles.valid(tile), tiles.size(tile),
                   reinterpret_cast<float*>(to));
    }
}

void prepare(const Pass& pass, Preparation preparation, uint8_t* target, ThreadPool& pool) {
    const Tiles& tiles = pass.tiles;
    const int64_t grain = tiles.rows * pass.call.columns < kParallelValues ? tiles.count : 1;
    pool.parallel_for(tiles.count, grain, [&](int64_t begin, int64_t end, int) {
        prepare_tiles(pass, preparation, target, begin, end);
    });
}

void multiply(const Pass& pass, Preparation preparation, ThreadPool& pool) {
    const LinearCall& call = pass.call;
    int64_t total_bytes = 0;
    for (int i = 0; i < call.output_count; ++i)
        total_bytes += static_cast<int64_t>(call.outputs[i].weight->data.size());
    Share shares[kMaxOutputs];
    int count = 0;
    int64_t pieces = 0;
    for (int i = 0; i < call.output_count; ++i) {
        const PackedWeight& weight = *call.outputs[i].weight;
        if (preparation_of(weight.type) != preparation || weight.rows == 0) continue;
        shares[count] = share_out(pass, call.outputs[i], total_bytes, pool.threads());
        pieces += shares[count++].pieces;
    }
    pool.parallel_for(pieces, 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t piece = begin; piece < end; ++piece) {
            int64_t rest = piece;
            const Share* share = shares;
            while (rest >= share->pieces) rest -= share++->pieces;
            multiply_piece(pass, *share, rest);
        }
    });
}

void check_call(hearth_isa isa, const LinearCall& call, const Buffer& scratch) {
    if (call.output_count > kMaxOutputs)
        fail(HEARTH_INVALID_ARGUMENT, "a linear call has %d outputs, at most %d are possible",
             call.output_count, kMaxOutputs);
    hearth_type types[kMaxOutputs];
    for (int i = 0; i < call.output_count; ++i) {
        const PackedWeight& weight = *call.outputs[i].weight;
        if (weight.columns != call.columns)
            fail(HEARTH_INTERNAL, "a weight of %lld columns meets an input of %lld",
                 static_cast<long long>(weight.columns), static_cast<long long>(call.columns));
        types[i] = weight.type;
    }
    const size_t needed = linear_scratch_bytes(isa, call.rows, call.columns, types, call.output_count);
    if (scratch.size() < needed)
        fail(HEARTH_INTERNAL, "a linear call of %lld x %lld has %zu bytes of scratch, %zu are needed",
             static_cast<long long>(call.rows), static_cast<long long>(call.columns), scratch.size(), needed);
}

Pass make_pass(hearth_isa isa, const LinearCall& call, const Tiles& tiles, int64_t row,
               Preparation preparation, const Buffer& scratch) {
    const LinearKernels& kernels = linear_kernels(isa);
    return {call,          kernels, row_kernels(isa),
            tiles,         row,     tile_row_bytes(kernels, preparation, call.columns),
            scratch.data()};
}

Preparation first_preparation(const LinearCall& call) {
    return preparation_of(call.outputs[0].weight->type);
}

}  // namespace

size_t linear_scratch_bytes(hearth_isa isa, int64_t rows, int64_t columns, const hearth_type* types,
                            int count) {
    const int64_t padded = divide_up(std::min(rows, kPassRows), kMaxTileRows) * kMaxTileRows;
    int64_t row_bytes = 0;
    for (int i = 0; i < count; ++i)
        row_bytes =
            std::max(row_bytes, tile_row_bytes(linear_kernels(isa), preparation_of(types[i]), columns));
    return static_cast<size_t>(row_bytes * padded);
}

void linear(hearth_isa isa, const LinearCall& call, Buffer& scratch, ThreadPool& pool) {
    if (call.rows <= 0 || call.output_count <= 0) return;
    check_call(isa, call, scratch);
    bool wanted[kPreparations] = {};
    for (int i = 0; i < call.output_count; ++i)
        wanted[static_cast<int>(preparation_of(call.outputs[i].weight->type))] = true;
    for (int64_t row = 0; row < call.rows; row += kPassRows) {
        const Tiles tiles(std::min(kPassRows, call.rows - row), linear_kernels(isa).tile_sizes);
        for (const Preparation preparation :
             {Preparation::Exact, Preparation::Bfloat16, Preparation::Quantized}) {
            if (!wanted[static_cast<int>(preparation)]) continue;
            const Pass pass = make_pass(isa, call, tiles, row, preparation, scratch);
            prepare(pass, preparation, scratch.data(), pool);
            multiply(pass, preparation, pool);
        }
    }
}

bool linear_splits(hearth_isa isa, const LinearCall& call, const Buffer& scratch) {
    if (call.rows <= 0 || call.rows > kPassRows || call.output_count <= 0) return false;
    check_call(isa, call, scratch);
    return std::all_of(call.outputs, call.outputs + call.output_count, [&](const LinearOutput& output) {
        return preparation_of(output.weight->type) == first_preparation(call);
    });
}

int linear_tile_rows(hearth_isa isa) {
    return Tiles(kPassRows, linear_kernels(isa).tile_sizes).largest;
}

void linear_prepare(hearth_isa isa, const LinearCall& call, int64_t first_row, int64_t row_count,
                    Buffer& scratch) {
    const Tiles tiles(call.rows, linear_kernels(isa).tile_sizes);
    const Preparation preparation = first_preparation(call);
    const Pass pass = make_pass(isa, call, tiles, 0, preparation, scratch);
    prepare_tiles(pass, preparation, scratch.data(), first_row / tiles.largest,
                  divide_up(first_row + row_count, tiles.largest));
}

void linear_multiply(hearth_isa isa, const LinearCall& call, Buffer& scratch, ThreadPool& pool) {
    const Tiles tiles(call.rows, linear_kernels(isa).tile_sizes);
    const Preparation preparation = first_preparation(call);
    multiply(make_pass(isa, call, tiles, 0, preparation, scratch), preparation, pool);
}

}  // namespace hearth

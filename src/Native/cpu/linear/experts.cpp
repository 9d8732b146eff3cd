// A line is a product of a row with one of its matrices. Activations are brought into the kernels' form once
// a row; lines of one matrix stand together (a counting sort) and form tiles, whose activations are woven
// from those of their rows; then every piece of work multiplies some panels of a matrix with some of its
// tiles. One line of a matrix, as in decoding, is a tile as it is.
#include "cpu/experts.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "cpu/linear/kernels.h"
#include "cpu/linear/layout.h"
#include "cpu/linear/tiles.h"

namespace hearth {

namespace {

// Activations held at once; bounds the scratch of a call, but for a few rows' worth.
constexpr int64_t kPassBytes = int64_t{64} << 20;
constexpr int64_t kLeastPassRows = 16;

// The lines of one matrix.
struct Group {
    int64_t matrix;
    int64_t first_line;  // in Sorted::lines
    int64_t first_row;   // of its tiles, in rows of the woven activations
    int64_t first_tile;  // among the tiles of all groups
    Tiles tiles;
    // For each output.
    int64_t first_piece[kMaxExpertOutputs];
    int64_t piece_tiles[kMaxExpertOutputs];
};

// Where the parts of the scratch lie.
struct Parts {
    size_t matrices, lines, counts, groups, prepared, woven, end;
    int64_t pass_rows;
};

size_t aligned(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

int64_t largest_tile(const LinearKernels& kernels) {
    int index = 0;
    while (kernels.tile_sizes[index + 1] != 0) ++index;
    return kernels.tile_sizes[index];
}

Parts parts_of(const LinearKernels& kernels, const ExpertShape& shape) {
    int64_t row_bytes = 0;
    for (const hearth_type type : shape.types)
        row_bytes = std::max(row_bytes, tile_row_bytes(kernels, preparation_of(type), shape.columns));
    Parts parts{};
    parts.pass_rows =
        std::min(shape.rows, std::max(kLeastPassRows, kPassBytes / (2 * shape.chosen * row_bytes)));
    const int64_t lines = parts.pass_rows * shape.chosen;
    const int64_t used = std::min(lines, shape.stack);
    // The last tile of a group is filled up with at most a tile less one.
    const int64_t woven_rows = lines + used * (largest_tile(kernels) - 1);
    const int64_t prepared_rows = shape.shared ? parts.pass_rows : lines;
    const auto take = [&parts](int64_t count, size_t size) {
        const size_t offset = parts.end;
        parts.end += aligned(static_cast<size_t>(count) * size);
        return offset;
    };
    parts.matrices = take(lines, sizeof(int32_t));
    parts.lines = take(lines, sizeof(int32_t));
    parts.counts = take(shape.stack, sizeof(int32_t));
    parts.groups = take(used, sizeof(Group));
    parts.prepared = take(prepared_rows, static_cast<size_t>(row_bytes));
    parts.woven = take(woven_rows, static_cast<size_t>(row_bytes));
    return parts;
}

// A pass over some rows of the call: pointers are those of its first row.
struct Pass {
    const ExpertCall& call;
    const LinearKernels& kernels;
    int64_t first_row, rows;
    const int32_t* lines;  // by matrix; line l is choice l % chosen of row l / chosen
    Group* groups;
    int64_t group_count;
    int64_t tile_count;

    int64_t input_row(int64_t line) const { return call.shared ? line / call.chosen : line; }
    int64_t input_rows() const { return call.shared ? rows : rows * call.chosen; }
    const float* input() const { return call.input + first_row * input_width(); }
    int64_t input_width() const { return call.shared ? call.columns : call.chosen * call.columns; }
};

// Activations of a pass in the form that some of the weights take.
struct Activations {
    Preparation preparation;
    int64_t row_bytes;
    const uint8_t* rows;  // [input rows]
    uint8_t* woven;       // tiles of more than one row

    const uint8_t* tile(const Pass& pass, const Group& group, int64_t tile) const {
        if (group.tiles.size(tile) > 1)
            return woven + (group.first_row + tile * group.tiles.largest) * row_bytes;
        const int64_t line = pass.lines[group.first_line + tile * group.tiles.largest];
        return rows + pass.input_row(line) * row_bytes;
    }
};

// The matrix of every line of the rows, and how many lines each matrix has.
void count_lines(const ExpertCall& call, int64_t stack, int64_t first_row, int64_t rows, int32_t* matrices,
                 int32_t* counts) {
    std::fill(counts, counts + stack, 0);
    const int64_t lines = rows * call.chosen;
    const float* choices = call.choices ? call.choices + first_row * call.chosen : nullptr;
    for (int64_t line = 0; line < lines; ++line) {
        if (choices && !(choices[line] >= 0 && choices[line] < static_cast<float>(stack)))
            fail(HEARTH_INTERNAL, "a row asks for a matrix that is not one of the stack's %lld",
                 static_cast<long long>(stack));
        matrices[line] =
            choices ? static_cast<int32_t>(choices[line]) : static_cast<int32_t>(line % call.chosen);
        ++counts[matrices[line]];
    }
}

Pass sort_lines(const ExpertCall& call, const LinearKernels& kernels, int64_t stack, int64_t first_row,
                int64_t rows, const Parts& parts, Buffer& scratch) {
    auto* matrices = scratch.as<int32_t>(parts.matrices);
    auto* lines = scratch.as<int32_t>(parts.lines);
    auto* counts = scratch.as<int32_t>(parts.counts);
    auto* groups = scratch.as<Group>(parts.groups);
    count_lines(call, stack, first_row, rows, matrices, counts);
    Pass pass{call, kernels, first_row, rows, lines, groups, 0, 0};
    int64_t line = 0, woven_row = 0;
    for (int64_t matrix = 0; matrix < stack; ++matrix) {
        const int32_t count = counts[matrix];
        counts[matrix] = static_cast<int32_t>(line);  // where its next line goes
        if (count == 0) continue;
        const Tiles tiles(count, kernels.tile_sizes);
        groups[pass.group_count++] = {matrix, line, woven_row, pass.tile_count, tiles, {}, {}};
        line += count;
        woven_row += tiles.padded_rows();
        pass.tile_count += tiles.count;
    }
    for (int64_t i = 0; i < rows * call.chosen; ++i) lines[counts[matrices[i]]++] = static_cast<int32_t>(i);
    return pass;
}

Activations prepare_rows(const Pass& pass, Preparation preparation, const Parts& parts, Buffer& scratch,
                         ThreadPool& pool) {
    const int64_t columns = pass.call.columns;
    const float* input = pass.input();
    uint8_t* prepared = scratch.as<uint8_t>(parts.prepared);
    const Activations activations{
        preparation, tile_row_bytes(pass.kernels, preparation, columns),
        preparation == Preparation::Exact ? reinterpret_cast<const uint8_t*>(input) : prepared,
        scratch.as<uint8_t>(parts.woven)};
    if (preparation == Preparation::Exact) return activations;
    const PrepareTile prepare_row = find_prepare(pass.kernels, preparation);
    const int64_t rows = pass.input_rows();
    const int64_t grain = std::max<int64_t>(1, kParallelValues / columns);
    pool.parallel_for(rows, grain, [&](int64_t begin, int64_t end, int) {
        for (int64_t row = begin; row < end; ++row)
            prepare_row(input + row * columns, columns, columns, 1, 1,
                        prepared + row * activations.row_bytes);
    });
    return activations;
}

const Group& group_of_tile(const Pass& pass, int64_t tile) {
    const Group* next =
        std::upper_bound(pass.groups, pass.groups + pass.group_count, tile,
                         [](int64_t number, const Group& group) { return number < group.first_tile; });
    return next[-1];
}

// A tile of several rows holds word k of all its rows together; rows that are missing are zero.
void weave_tile(const Pass& pass, const Activations& activations, const Group& group, int64_t tile) {
    const int size = group.tiles.size(tile), valid = group.tiles.valid(tile);
    if (size == 1) return;
    const int64_t first = group.first_line + tile * group.tiles.largest;
    uint8_t* target =
        activations.woven + (group.first_row + tile * group.tiles.largest) * activations.row_bytes;
    if (valid < size) std::memset(target, 0, static_cast<size_t>(activations.row_bytes * size));
    auto* words = reinterpret_cast<uint32_t*>(target);
    const int64_t count = activations.row_bytes / static_cast<int64_t>(sizeof(uint32_t));
    for (int r = 0; r < valid; ++r) {
        const uint8_t* row = activations.rows + pass.input_row(pass.lines[first + r]) * activations.row_bytes;
        const auto* source = reinterpret_cast<const uint32_t*>(row);
        for (int64_t k = 0; k < count; ++k) words[k * size + r] = source[k];
    }
}

void weave(const Pass& pass, const Activations& activations, ThreadPool& pool) {
    if (pass.group_count == pass.rows * pass.call.chosen) return;  // every tile is one line
    const int64_t grain = std::max<int64_t>(1, kParallelValues / (pass.call.columns * kMaxTileRows));
    pool.parallel_for(pass.tile_count, grain, [&](int64_t begin, int64_t end, int) {
        for (int64_t tile = begin; tile < end; ++tile) {
            const Group& group = group_of_tile(pass, tile);
            weave_tile(pass, activations, group, tile - group.first_tile);
        }
    });
}

// An output's pieces: for each group, groups of panels x groups of tiles.
struct Share {
    const ExpertOutput* output;
    int slot;  // in the call's outputs
    int64_t panel_bytes;
    int64_t panels;        // of a matrix
    int64_t group_panels;  // of a piece
    int64_t panel_groups;
    int64_t pieces;
};

Share share_out(const Pass& pass, const Activations& activations, int slot, int64_t total_bytes,
                int threads) {
    const ExpertOutput& output = pass.call.outputs[slot];
    const PackedWeight& weight = *output.weight;
    Share share{
        &output, slot, packed_panel_bytes(weight.type, weight.columns), divide_up(weight.rows, kPanelRows), 0,
        0,       0};
    const bool decode = pass.tile_count == pass.group_count;
    const int64_t wanted =
        std::min(decode ? kDecodePieceBytes : kPrefillPieceBytes, total_bytes / (kPiecesPerThread * threads));
    share.group_panels =
        std::clamp<int64_t>(wanted / std::max<int64_t>(1, share.panel_bytes), 1, share.panels);
    share.panel_groups = divide_up(share.panels, share.group_panels);
    const int64_t tile_groups = kPiecesPerThread * threads / (share.panel_groups * pass.group_count);
    for (int64_t g = 0; g < pass.group_count; ++g) {
        Group& group = pass.groups[g];
        group.piece_tiles[slot] =
            piece_tiles(group.tiles.largest * activations.row_bytes, group.tiles.count, tile_groups);
        group.first_piece[slot] = share.pieces;
        share.pieces += share.panel_groups * divide_up(group.tiles.count, group.piece_tiles[slot]);
    }
    return share;
}

void multiply_tile(const Pass& pass, const Activations& activations, const Share& share, const Group& group,
                   int64_t panel, int64_t tile, TileKernel kernel) {
    const PackedWeight& weight = *share.output->weight;
    const int64_t first_line = group.first_line + tile * group.tiles.largest;
    const uint8_t* matrix = weight.data.data() + group.matrix * share.panels * share.panel_bytes;
    const float* bias = share.output->bias ? share.output->bias + group.matrix * weight.rows : nullptr;
    float* output = share.output->output + pass.first_row * pass.call.chosen * weight.rows;
    alignas(64) float sums[kMaxTileRows * kPanelRows];
    kernel(matrix + panel * share.panel_bytes, activations.tile(pass, group, tile), weight.columns, sums);
    const int64_t column = panel * kPanelRows;
    const int64_t lanes = std::min<int64_t>(kPanelRows, weight.rows - column);
    for (int r = 0; r < group.tiles.valid(tile); ++r) {
        float* from = sums + r * kPanelRows;
        if (bias)
            for (int64_t lane = 0; lane < lanes; ++lane) from[lane] += bias[column + lane];
        store_lanes(output + pass.lines[first_line + r] * weight.rows + column, from, lanes);
    }
}

void multiply_piece(const Pass& pass, const Activations& activations, const Share& share, int64_t piece) {
    const Group* next = std::upper_bound(
        pass.groups, pass.groups + pass.group_count, piece,
        [&share](int64_t number, const Group& group) { return number < group.first_piece[share.slot]; });
    const Group& group = next[-1];
    piece -= group.first_piece[share.slot];
    const int64_t first_panel = piece % share.panel_groups * share.group_panels;
    const int64_t end_panel = std::min(first_panel + share.group_panels, share.panels);
    const int64_t first_tile = piece / share.panel_groups * group.piece_tiles[share.slot];
    const int64_t end_tile = std::min(first_tile + group.piece_tiles[share.slot], group.tiles.count);
    const hearth_type type = share.output->weight->type;
    const TileKernel largest = find_tile(pass.kernels, type, group.tiles.largest);
    const TileKernel last = find_tile(pass.kernels, type, group.tiles.last);
    for (int64_t panel = first_panel; panel < end_panel; ++panel)
        for (int64_t tile = first_tile; tile < end_tile; ++tile)
            multiply_tile(pass, activations, share, group, panel, tile,
                          tile + 1 < group.tiles.count ? largest : last);
}

void multiply(const Pass& pass, const Activations& activations, ThreadPool& pool) {
    int64_t total_bytes = 0;
    for (int i = 0; i < pass.call.output_count; ++i) {
        const PackedWeight& weight = *pass.call.outputs[i].weight;
        total_bytes += static_cast<int64_t>(weight.data.size()) / weight.stack * pass.group_count;
    }
    Share shares[kMaxExpertOutputs];
    int count = 0;
    int64_t pieces = 0;
    for (int i = 0; i < pass.call.output_count; ++i) {
        if (preparation_of(pass.call.outputs[i].weight->type) != activations.preparation) continue;
        shares[count] = share_out(pass, activations, i, total_bytes, pool.threads());
        pieces += shares[count++].pieces;
    }
    pool.parallel_for(pieces, 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t piece = begin; piece < end; ++piece) {
            int64_t rest = piece;
            const Share* share = shares;
            while (rest >= share->pieces) rest -= share++->pieces;
            multiply_piece(pass, activations, *share, rest);
        }
    });
}

ExpertShape shape_of(const ExpertCall& call) {
    const PackedWeight& first = *call.outputs[0].weight;
    const PackedWeight& last = *call.outputs[call.output_count - 1].weight;
    return {call.rows, call.chosen, first.stack, call.columns, call.shared, {first.type, last.type}};
}

void check_call(const ExpertCall& call) {
    if (call.output_count < 1 || call.output_count > kMaxExpertOutputs)
        fail(HEARTH_INVALID_ARGUMENT, "an expert call has %d outputs, 1 to %d are possible",
             call.output_count, kMaxExpertOutputs);
    const int64_t stack = call.outputs[0].weight->stack;
    for (int i = 0; i < call.output_count; ++i) {
        const PackedWeight& weight = *call.outputs[i].weight;
        if (weight.columns != call.columns || weight.stack != stack || (!call.choices && stack < call.chosen))
            fail(HEARTH_INTERNAL, "a stack of %lld weights of %lld columns meets %lld of %lld",
                 static_cast<long long>(weight.stack), static_cast<long long>(weight.columns),
                 static_cast<long long>(stack), static_cast<long long>(call.columns));
    }
}

}  // namespace

size_t expert_scratch_bytes(hearth_isa isa, const ExpertShape& shape) {
    return parts_of(linear_kernels(isa), shape).end;
}

void expert_linear(hearth_isa isa, const ExpertCall& call, Buffer& scratch, ThreadPool& pool) {
    if (call.rows <= 0) return;
    check_call(call);
    const LinearKernels& kernels = linear_kernels(isa);
    const ExpertShape shape = shape_of(call);
    const Parts parts = parts_of(kernels, shape);
    if (scratch.size() < parts.end)
        fail(HEARTH_INTERNAL, "an expert call of %lld rows has %zu bytes of scratch, %zu are needed",
             static_cast<long long>(call.rows), scratch.size(), parts.end);
    bool wanted[kPreparations] = {};
    for (const hearth_type type : shape.types) wanted[static_cast<int>(preparation_of(type))] = true;
    for (int64_t row = 0; row < call.rows; row += parts.pass_rows) {
        const int64_t rows = std::min(parts.pass_rows, call.rows - row);
        const Pass pass = sort_lines(call, kernels, shape.stack, row, rows, parts, scratch);
        for (const Preparation preparation :
             {Preparation::Exact, Preparation::Bfloat16, Preparation::Quantized}) {
            if (!wanted[static_cast<int>(preparation)]) continue;
            const Activations activations = prepare_rows(pass, preparation, parts, scratch, pool);
            weave(pass, activations, pool);
            multiply(pass, activations, pool);
        }
    }
}

}  // namespace hearth

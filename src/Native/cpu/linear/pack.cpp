// Packing: GGUF's blocks to panels (layout.h), and single rows back to float32.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/formats/blocks.h"
#include "core/formats/half.h"
#include "core/types.h"
#include "cpu/linear.h"
#include "cpu/linear/expanded_pack.h"
#include "cpu/linear/layout.h"
#include "cpu/linear/planes.h"

namespace hearth {

namespace {

// ---- Codes of a file's block as one unsigned byte each.

void nibbles(const uint8_t* qs, uint8_t* codes, int count) {
    for (int j = 0; j < count; ++j) {
        codes[j] = qs[j] & 15;
        codes[j + count] = qs[j] >> 4;
    }
}

// Bit j of qh becomes bit 4 of code j, eight codes at a time.
void fifth_bits(const uint8_t (&qh)[4], uint8_t* codes) {
    constexpr uint64_t kOnes = 0x0101010101010101u;
    for (int i = 0; i < 4; ++i) {
        // Byte j keeps bit j only; adding 127 carries it into the byte's top bit.
        const uint64_t bits = (qh[i] * kOnes) & 0x8040201008040201u;
        const uint64_t tops = (bits + 0x7f * kOnes) | bits;
        uint64_t word;
        std::memcpy(&word, codes + 8 * i, sizeof word);
        word |= ((tops >> 7) & kOnes) << 4;
        std::memcpy(codes + 8 * i, &word, sizeof word);
    }
}

void read_codes(const BlockQ4_0& block, uint8_t* codes) {
    nibbles(block.qs, codes, 16);
}
void read_codes(const BlockQ4_1& block, uint8_t* codes) {
    nibbles(block.qs, codes, 16);
}

void read_codes(const BlockIQ4_NL& block, uint8_t* codes) {
    nibbles(block.qs, codes, 16);
}
void read_codes(const BlockMXFP4& block, uint8_t* codes) {
    nibbles(block.qs, codes, 16);
}

void read_codes(const BlockIQ4_XS& block, uint8_t* codes) {
    for (int group = 0; group < 8; ++group) nibbles(block.qs + 16 * group, codes + 32 * group, 16);
}

void read_codes(const BlockQ5_0& block, uint8_t* codes) {
    nibbles(block.qs, codes, 16);
    fifth_bits(block.qh, codes);
}

void read_codes(const BlockQ5_1& block, uint8_t* codes) {
    nibbles(block.qs, codes, 16);
    fifth_bits(block.qh, codes);
}

void read_codes(const BlockQ8_0& block, uint8_t* codes) {
    for (int j = 0; j < 32; ++j) codes[j] = static_cast<uint8_t>(block.qs[j] ^ 0x80);
}

void read_codes(const BlockNVFP4& block, uint8_t* codes) {
    for (int sub = 0; sub < 4; ++sub) nibbles(block.qs + 8 * sub, codes + 16 * sub, 8);
}

void read_codes(const BlockQ1_0& block, uint8_t* codes) {
    for (int j = 0; j < 128; ++j) codes[j] = (block.qs[j / 8] >> (j % 8)) & 1;
}

template <size_t kBytes>
void adjacent_crumbs(const uint8_t (&qs)[kBytes], uint8_t* codes) {
    for (size_t j = 0; j < 4 * kBytes; ++j) codes[j] = (qs[j / 4] >> (2 * (j % 4))) & 3;
}

void read_codes(const BlockQ2_0& block, uint8_t* codes) {
    adjacent_crumbs(block.qs, codes);
}
void read_codes(const BlockQ2_0_G128& block, uint8_t* codes) {
    adjacent_crumbs(block.qs, codes);
}

// 2-bit codes in stripes of 32 columns.
void crumbs(const uint8_t (&qs)[64], uint8_t* codes) {
    for (int half = 0; half < 2; ++half)
        for (int row = 0; row < 4; ++row)
            for (int l = 0; l < 32; ++l)
                codes[128 * half + 32 * row + l] = (qs[32 * half + l] >> (2 * row)) & 3;
}

void read_codes(const BlockQ2_K& block, uint8_t* codes) {
    crumbs(block.qs, codes);
}

void read_codes(const BlockTQ2_0& block, uint8_t* codes) {
    crumbs(block.qs, codes);
}

void read_codes(const BlockQ3_K& block, uint8_t* codes) {
    for (int half = 0; half < 2; ++half)
        for (int row = 0; row < 4; ++row)
            for (int l = 0; l < 32; ++l) {
                const int low = (block.qs[32 * half + l] >> (2 * row)) & 3;
                const int high = (block.hmask[l] >> (4 * half + row)) & 1;
                codes[128 * half + 32 * row + l] = static_cast<uint8_t>(low | (high << 2));
            }
}

void read_codes(const BlockQ4_K& block, uint8_t* codes) {
    for (int pair = 0; pair < 4; ++pair) nibbles(block.qs + 32 * pair, codes + 64 * pair, 32);
}

void read_codes(const BlockQ5_K& block, uint8_t* codes) {
    for (int pair = 0; pair < 4; ++pair) nibbles(block.qs + 32 * pair, codes + 64 * pair, 32);
    for (int group = 0; group < 8; ++group)
        for (int l = 0; l < 32; ++l)
            codes[32 * group + l] |= static_cast<uint8_t>(((block.qh[l] >> group) & 1) << 4);
}

void read_codes(const BlockQ6_K& block, uint8_t* codes) {
    for (int half = 0; half < 2; ++half)
        for (int row = 0; row < 4; ++row)
            for (int l = 0; l < 32; ++l) {
                const int low = (block.ql[64 * half + 32 * (row % 2) + l] >> (4 * (row / 2))) & 15;
                const int high = (block.qh[32 * half + l] >> (2 * row)) & 3;
                codes[128 * half + 32 * row + l] = static_cast<uint8_t>(low | (high << 4));
            }
}

// ---- Scales of a file's block into a chunk's header. index: the block's place in the chunk.

void put_half(uint8_t* target, uint16_t value) {
    std::memcpy(target, &value, sizeof value);
}

uint16_t get_half(const uint8_t* source) {
    uint16_t value;
    std::memcpy(&value, source, sizeof value);
    return value;
}

template <typename Block>
void write_scales(const Block& block, int index, int row, uint8_t* header) {
    put_half(header + 32 * index + 2 * row, block.d);
    if constexpr (requires { block.m; }) put_half(header + 64 + 32 * index + 2 * row, block.m);
}

// Where a row's scale of a group of 8 lies among those of blocks.
constexpr int paired(int group, int row) {
    return 32 * (group / 2) + 2 * row + group % 2;
}

constexpr int crumbs_at(int group, int row) {
    return kCrumbsAt + 4 * row + 2 * (group % 2);
}

template <typename Block>
void write_super32(const Block& block, int row, uint8_t* header) {
    put_half(header + 2 * row, block.d);
    put_half(header + 32 + 2 * row, block.dmin);
    uint16_t crumbs[2] = {};
    for (int g = 0; g < 8; ++g) {
        uint8_t scale, minimum;
        read_scale_and_minimum(block.scales, g, scale, minimum);
        header[kNibblesAt + paired(g, row)] = static_cast<uint8_t>((scale & 15) | (minimum & 15) << 4);
        crumbs[g % 2] |= static_cast<uint16_t>((scale >> 4 | minimum >> 4 << 4) << crumb_bit(g / 2));
    }
    for (int g = 0; g < 2; ++g) put_half(header + crumbs_at(g, row), crumbs[g]);
}

void write_scales(const BlockQ4_K& block, int, int row, uint8_t* header) {
    write_super32(block, row, header);
}
void write_scales(const BlockQ5_K& block, int, int row, uint8_t* header) {
    write_super32(block, row, header);
}

void write_scales(const BlockQ6_K& block, int, int row, uint8_t* header) {
    put_half(header + 2 * row, block.d);
    for (int g = 0; g < 16; ++g) header[32 + 16 * g + row] = static_cast<uint8_t>(block.scales[g]);
}

void write_scales(const BlockQ3_K& block, int, int row, uint8_t* header) {
    put_half(header + 2 * row, block.d);
    for (int g = 0; g < 16; ++g)
        header[32 + 16 * g + row] = static_cast<uint8_t>(read_scale_q3(block.scales, g));
}

void write_scales(const BlockQ2_K& block, int, int row, uint8_t* header) {
    put_half(header + 2 * row, block.d);
    put_half(header + 32 + 2 * row, block.dmin);
    for (int g = 0; g < 16; ++g) header[64 + 16 * g + row] = block.scales[g];
}

void write_scales(const BlockIQ4_XS& block, int, int row, uint8_t* header) {
    put_half(header + 2 * row, block.d);
    for (int g = 0; g < 8; ++g) header[32 + paired(g, row)] = static_cast<uint8_t>(read_scale_iq4(block, g));
}

void write_scales(const BlockTQ2_0& block, int, int row, uint8_t* header) {
    put_half(header + 2 * row, block.d);
}

void write_scales(const BlockMXFP4& block, int index, int row, uint8_t* header) {
    header[16 * index + row] = block.e;
}

void write_scales(const BlockNVFP4& block, int, int row, uint8_t* header) {
    for (int sub = 0; sub < 4; ++sub) header[16 * sub + row] = read_ue4m3(block.d[sub]);
}

// ---- Panels

// Chunk by chunk over all rows, so that what is being written stays in the nearest cache.
template <hearth_type kType, typename Block>
void pack_panel(const PanelRows& source, int64_t columns, uint8_t* panel) {
    constexpr Layout kLayout = layout_of(kType);
    constexpr int kBlockGroups = kLayout.block_groups();
    const int64_t groups = columns / kGroupColumns;
    uint8_t codes[kSuperColumns];
    for (int64_t first = 0; first < groups; first += kLayout.chunk_groups()) {
        uint8_t* header = panel;
        uint8_t* body = panel + kLayout.header_bytes();
        const int count = static_cast<int>(std::min<int64_t>(kLayout.chunk_groups(), groups - first));
        for (int row = 0; row < source.rows; ++row) {
            const uint8_t* blocks = source.data + static_cast<size_t>(row) * source.row_bytes +
                                    static_cast<size_t>(first / kBlockGroups) * sizeof(Block);
            for (int group = 0; group < count; group += kBlockGroups) {
                Block block;  // a file's blocks are not aligned
                std::memcpy(&block, blocks, sizeof block);
                blocks += sizeof block;
                write_scales(block, group / kBlockGroups, row, header);
                read_codes(block, codes);
                for (int i = 0; i < kBlockGroups; ++i)
                    planes::write_group<kType>(codes + kGroupColumns * i, row,
                                               body + (group + i) * kLayout.group_bytes());
            }
        }
        panel = body + count * kLayout.group_bytes();
    }
}

template <typename Word>
void pack_float_panel(const PanelRows& source, int64_t columns, uint8_t* panel) {
    constexpr int64_t kColumns = 64;  // of a piece that stays in the nearest cache
    for (int64_t first = 0; first < columns; first += kColumns)
        for (int row = 0; row < source.rows; ++row) {
            const uint8_t* values = source.data + static_cast<size_t>(row) * source.row_bytes;
            for (int64_t k = first; k < std::min(first + kColumns, columns); ++k)
                std::memcpy(panel + static_cast<size_t>(k * kPanelRows + row) * sizeof(Word),
                            values + static_cast<size_t>(k) * sizeof(Word), sizeof(Word));
        }
}

// Two columns of a row are a word; the second half of the last one stays zero where their number is odd.
void pack_bfloat16_panel(const PanelRows& source, int64_t columns, uint8_t* panel) {
    pack_float_panel<uint32_t>(source, columns / 2, panel);
    if (columns % 2 == 0) return;
    for (int row = 0; row < source.rows; ++row)
        std::memcpy(panel + columns / 2 * kPairBytes + 4 * row,
                    source.data + static_cast<size_t>(row) * source.row_bytes +
                        static_cast<size_t>(columns - 1) * sizeof(uint16_t),
                    sizeof(uint16_t));
}

PackPanel find_pack_panel(hearth_type type) {
    switch (type) {
        case HEARTH_TYPE_F32:
            return pack_float_panel<uint32_t>;
        case HEARTH_TYPE_F16:
            return pack_float_panel<uint16_t>;
        case HEARTH_TYPE_BF16:
            return pack_bfloat16_panel;
#define HEARTH_CASE(name)    \
    case HEARTH_TYPE_##name: \
        return pack_panel<HEARTH_TYPE_##name, Block##name>;
            HEARTH_PLANE_TYPES(HEARTH_CASE)
#undef HEARTH_CASE
        default:
            if (const PackPanel pack = find_expanded_pack(type)) return pack;
    }
    fail(HEARTH_UNSUPPORTED, "weights of tensor type %d cannot be packed", static_cast<int>(type));
}

// ---- Back to float32, in the order of operations of the plain dequantization, so that results are the same.

struct GroupScale {
    float scale;
    float offset;  // added to scale * code
};

template <ScaleKind kKind>
GroupScale read_scale(const uint8_t* header, int group, int half, int row) {
    const auto half_at = [&](int offset) { return float_from_half(get_half(header + offset + 2 * row)); };
    const int sixteenth = 2 * group + half;
    if constexpr (kKind == ScaleKind::Half) {
        return {half_at(32 * group), 0.0f};
    } else if constexpr (kKind == ScaleKind::Float8) {
        const auto bits = static_cast<uint16_t>(header[16 * sixteenth + row] << 7);
        return {float_from_half(bits) * 128.0f, 0.0f};
    } else if constexpr (kKind == ScaleKind::HalfAndMinimum) {
        return {half_at(32 * group), half_at(64 + 32 * group)};
    } else if constexpr (kKind == ScaleKind::Super16) {
        return {half_at(0) * static_cast<float>(static_cast<int8_t>(header[32 + 16 * sixteenth + row])),
                0.0f};
    } else if constexpr (kKind == ScaleKind::SuperCentred32) {
        return {half_at(0) * static_cast<float>(static_cast<int8_t>(header[32 + paired(group, row)])), 0.0f};
    } else if constexpr (kKind == ScaleKind::Super) {
        return {half_at(0), 0.0f};
    } else if constexpr (kKind == ScaleKind::Exponent) {
        return {std::ldexp(1.0f, header[16 * group + row] - 128), 0.0f};
    } else if constexpr (kKind == ScaleKind::Super32) {
        const int low = header[kNibblesAt + paired(group, row)];
        const int high = get_half(header + crumbs_at(group, row)) >> crumb_bit(group / 2);
        return {half_at(0) * static_cast<float>((low & 15) | (high & 3) << 4),
                -(half_at(32) * static_cast<float>(low >> 4 | (high & 0x30)))};
    } else {
        const uint8_t both = header[64 + 16 * sixteenth + row];
        return {half_at(0) * static_cast<float>(both & 15), -(half_at(32) * static_cast<float>(both >> 4))};
    }
}

template <hearth_type kType>
void unpack_quantized(const uint8_t* panel, int64_t columns, int row, float* output) {
    constexpr Layout kLayout = layout_of(kType);
    [[maybe_unused]] constexpr TableBytes kTable = table_bytes(kLayout);
    constexpr int kZero = kLayout.zero_shift < 0 ? 0 : 1 << kLayout.zero_shift;
    const int64_t groups = columns / kGroupColumns;
    for (int64_t first = 0; first < groups; first += kLayout.chunk_groups()) {
        const uint8_t* header = panel;
        panel += kLayout.header_bytes();
        const int count = static_cast<int>(std::min<int64_t>(kLayout.chunk_groups(), groups - first));
        for (int group = 0; group < count; ++group, panel += kLayout.group_bytes()) {
            uint8_t codes[kGroupColumns];
            planes::read_group<kType>(panel, row, codes);
            for (int j = 0; j < kGroupColumns; ++j) {
                const auto [scale, offset] =
                    read_scale<kLayout.scales>(header, group / kLayout.scale_groups, j / 16, row);
                const int code = kLayout.table == CodeTable::None ? codes[j] << kLayout.code_shift()
                                                                  : kTable.values[codes[j]];
                const float value = scale * static_cast<float>(code - kZero);
                *output++ = kLayout.has_offset() ? value + offset : value;
            }
        }
    }
}

}  // namespace

PackedWeight pack_weight(hearth_isa, hearth_type type, int64_t rows, int64_t columns, const void* data,
                         ThreadPool& pool, int64_t stack) {
    const PackPanel pack = find_pack_panel(type);
    const TypeInfo& info = type_info(type);
    stack_bytes(info, stack, rows, columns);  // refuses shapes that do not fit the type
    const size_t source_bytes =
        static_cast<size_t>(columns / info.block) * static_cast<size_t>(info.block_bytes);
    const int64_t panels = (rows + kPanelRows - 1) / kPanelRows;
    const int64_t panel_bytes = packed_panel_bytes(type, columns);
    PackedWeight weight;
    weight.type = type;
    weight.rows = rows;
    weight.columns = columns;
    weight.stack = stack;
    weight.data = Buffer(static_cast<size_t>(stack * panels) * static_cast<size_t>(panel_bytes));
    const auto* source = static_cast<const uint8_t*>(data);
    const int64_t grain = std::max<int64_t>(1, (int64_t{1} << 20) / std::max<int64_t>(1, panel_bytes));
    pool.parallel_for(stack * panels, grain, [&](int64_t begin, int64_t end, int) {
        for (int64_t panel = begin; panel < end; ++panel) {
            const int64_t row = panel % panels * kPanelRows;
            const int64_t stack_row = panel / panels * rows + row;
            const PanelRows from{source + static_cast<size_t>(stack_row) * source_bytes, source_bytes,
                                 static_cast<int>(std::min<int64_t>(kPanelRows, rows - row))};
            pack(from, columns, weight.data.data() + panel * panel_bytes);
        }
    });
    return weight;
}

void unpack_row(const PackedWeight& weight, int64_t row, float* output) {
    const uint8_t* panel =
        weight.data.data() + row / kPanelRows * packed_panel_bytes(weight.type, weight.columns);
    const int lane = static_cast<int>(row % kPanelRows);
    switch (weight.type) {
        case HEARTH_TYPE_F32:
            for (int64_t k = 0; k < weight.columns; ++k)
                std::memcpy(output + k, panel + 4 * (k * kPanelRows + lane), sizeof(float));
            return;
        case HEARTH_TYPE_F16:
            for (int64_t k = 0; k < weight.columns; ++k)
                output[k] = float_from_half(get_half(panel + 2 * (k * kPanelRows + lane)));
            return;
        case HEARTH_TYPE_BF16:
            for (int64_t k = 0; k < weight.columns; ++k)
                output[k] =
                    float_from_bfloat16(get_half(panel + k / 2 * kPairBytes + 4 * lane + 2 * (k % 2)));
            return;
#define HEARTH_CASE(name)    \
    case HEARTH_TYPE_##name: \
        return unpack_quantized<HEARTH_TYPE_##name>(panel, weight.columns, lane, output);
            HEARTH_PLANE_TYPES(HEARTH_CASE)
#undef HEARTH_CASE
        default:
            return unpack_expanded(weight.type, panel, weight.columns, lane, output);
    }
}

}  // namespace hearth

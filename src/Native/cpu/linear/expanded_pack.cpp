#include "cpu/linear/expanded_pack.h"

#include <cstring>

#include "core/error.h"
#include "core/formats/half.h"
#include "cpu/linear/codebook_bytes.h"

namespace hearth {

namespace {

void write_group(const CodebookShape& shape, const CodebookGroup& source, int row, uint8_t* group) {
    for (int e = 0; e < shape.entries(); ++e) {
        const int bit = shape.bits * row;
        uint8_t* at = group + shape.number_bytes() * e + bit / 8;
        const int number = source.entries[e] << (bit % 8);  // 18 bits at most
        for (int i = 0; number >> (8 * i) != 0; ++i) at[i] |= static_cast<uint8_t>(number >> (8 * i));
    }
    if (!shape.signs) {
        for (int e = 0; e < 4; ++e)
            group[shape.signs_at() + 2 * e + row / 8] |=
                static_cast<uint8_t>(((source.shifts >> e) & 1) << (row % 8));
        return;
    }
    uint8_t* plane = group + shape.signs_at() + 4 * row;
    for (int j = 0; j < kGroupColumns; ++j)
        plane[j % 4] |= static_cast<uint8_t>(((source.signs[j / 8] >> (j % 8)) & 1) << (j / 4));
}

void write_d(uint16_t d, int row, uint8_t* header) {
    std::memcpy(header + 2 * row, &d, sizeof d);
}

float read_d(const uint8_t* header, int row) {
    uint16_t d;
    std::memcpy(&d, header + 2 * row, sizeof d);
    return float_from_half(d);
}

// Headers are zero before.
template <ScaleKind kKind>
void write_scales(const CodebookGroup& source, int group, int row, uint8_t* header) {
    if constexpr (kKind == ScaleKind::Odd32)
        header[32 + 16 * (group / 2) + row] |= static_cast<uint8_t>(source.scales[0] << (4 * (group % 2)));
    else
        header[32 + 16 * group + row] = static_cast<uint8_t>(source.scales[0] | (source.scales[1] << 4));
}

template <ScaleKind kKind>
int read_scale(const uint8_t* header, int group, int half, int row) {
    if constexpr (kKind == ScaleKind::Odd32)
        return (header[32 + 16 * (group / 2) + row] >> (4 * (group % 2))) & 15;
    else
        return (header[32 + 16 * group + row] >> (4 * half)) & 15;
}

// Calls write(block, row, chunk) for every block, chunk by chunk.
template <typename Block, typename Write>
void for_blocks(const PanelRows& source, int64_t columns, const Layout& layout, uint8_t* panel, Write write) {
    for (int64_t i = 0; i < columns / kSuperColumns; ++i) {
        for (int row = 0; row < source.rows; ++row) {
            Block block;  // a file's blocks are not aligned
            std::memcpy(&block,
                        source.data + static_cast<size_t>(row) * source.row_bytes +
                            static_cast<size_t>(i) * sizeof block,
                        sizeof block);
            write(block, row, panel);
        }
        panel += layout.header_bytes() + layout.body_bytes();
    }
}

template <hearth_type kType, typename Block>
void pack_codebook(const PanelRows& source, int64_t columns, uint8_t* panel) {
    static constexpr Layout kLayout = layout_of(kType);
    for_blocks<Block>(source, columns, kLayout, panel, [](const Block& block, int row, uint8_t* chunk) {
        write_d(hearth::read_d(block), row, chunk);
        for (int g = 0; g < kLayout.chunk_groups(); ++g) {
            const CodebookGroup group = read_group(block, g);
            write_scales<kLayout.scales>(group, g, row, chunk);
            write_group(kLayout.shape, group, row,
                        chunk + kLayout.header_bytes() + g * kLayout.group_bytes());
        }
    });
}

void pack_trits(const PanelRows& source, int64_t columns, uint8_t* panel) {
    static constexpr Layout kLayout = layout_of(HEARTH_TYPE_TQ1_0);
    for_blocks<BlockTQ1_0>(source, columns, kLayout, panel,
                           [](const BlockTQ1_0& block, int row, uint8_t* chunk) {
                               write_d(block.d, row, chunk);
                               uint8_t digits[5 * 4 * kTritVectors] = {};
                               read_trits(block, digits);
                               for (int v = 0; v < kTritVectors; ++v)
                                   for (int j = 0; j < 4; ++j) {
                                       int number = 0;
                                       for (int n = 0; n < 5; ++n)
                                           number = 3 * number + digits[4 * (5 * v + n) + j];
                                       chunk[kLayout.header_bytes() + 64 * v + 4 * row + j] =
                                           static_cast<uint8_t>((number * 256 + 242) / 243);
                                   }
                           });
}

template <hearth_type kType>
void unpack_codebook(const uint8_t* panel, int64_t columns, int row, float* output) {
    constexpr Layout kLayout = layout_of(kType);
    const Codebook& book = *find_codebook(kType);
    for (int64_t i = 0; i < columns / kSuperColumns; ++i) {
        const float d = read_d(panel, row) * book.unit;
        for (int g = 0; g < kLayout.chunk_groups(); ++g) {
            int8_t values[kGroupColumns];
            codebook_values(
                book,
                read_packed_group(kLayout.shape, panel + kLayout.header_bytes() + g * kLayout.group_bytes(),
                                  row),
                values);
            for (int j = 0; j < kGroupColumns; ++j) {
                const int scale = 2 * read_scale<kLayout.scales>(panel, g, j / 16, row) + 1;
                *output++ = d * static_cast<float>(scale) * static_cast<float>(values[j]);
            }
        }
        panel += kLayout.header_bytes() + kLayout.body_bytes();
    }
}

void unpack_trits(const uint8_t* panel, int64_t columns, int row, float* output) {
    constexpr Layout kLayout = layout_of(HEARTH_TYPE_TQ1_0);
    for (int64_t i = 0; i < columns / kSuperColumns; ++i) {
        const float d = read_d(panel, row);
        uint8_t digits[kSuperColumns];
        read_packed_trits(panel + kLayout.header_bytes(), row, digits);
        for (const uint8_t digit : digits) *output++ = d * static_cast<float>(digit - 1);
        panel += kLayout.header_bytes() + kLayout.body_bytes();
    }
}

}  // namespace

CodebookGroup read_packed_group(const CodebookShape& shape, const uint8_t* group, int row) {
    CodebookGroup result{};
    for (int e = 0; e < shape.entries(); ++e) {
        const int bit = shape.bits * row;
        const uint8_t* at = group + shape.number_bytes() * e + bit / 8;
        const int three = at[0] | (at[1] << 8) | (at[2] << 16);  // signs or shifts follow the last number
        result.entries[e] = static_cast<uint16_t>((three >> (bit % 8)) & ((1 << shape.bits) - 1));
    }
    if (!shape.signs) {
        for (int e = 0; e < 4; ++e) {
            const int rows = group[shape.signs_at() + 2 * e + row / 8];
            result.shifts |= static_cast<uint8_t>(((rows >> (row % 8)) & 1) << e);
        }
        return result;
    }
    const uint8_t* plane = group + shape.signs_at() + 4 * row;
    for (int j = 0; j < kGroupColumns; ++j)
        result.signs[j / 8] |= static_cast<uint8_t>(((plane[j % 4] >> (j / 4)) & 1) << (j % 8));
    return result;
}

void read_packed_trits(const uint8_t* chunk, int row, uint8_t* digits) {
    for (int i = 0; i < kSuperColumns; ++i) {
        const int quad = i / 4;
        digits[i] = read_trit(chunk[64 * (quad / 5) + 4 * row + i % 4], quad % 5);
    }
}

PackPanel find_expanded_pack(hearth_type type) {
    switch (type) {
        case HEARTH_TYPE_TQ1_0:
            return pack_trits;
#define HEARTH_CASE(name)    \
    case HEARTH_TYPE_##name: \
        return pack_codebook<HEARTH_TYPE_##name, Block##name>;
            HEARTH_CODEBOOK_TYPES(HEARTH_CASE)
#undef HEARTH_CASE
        default:
            return nullptr;
    }
}

void unpack_expanded(hearth_type type, const uint8_t* panel, int64_t columns, int row, float* output) {
    switch (type) {
        case HEARTH_TYPE_TQ1_0:
            return unpack_trits(panel, columns, row, output);
#define HEARTH_CASE(name)    \
    case HEARTH_TYPE_##name: \
        return unpack_codebook<HEARTH_TYPE_##name>(panel, columns, row, output);
            HEARTH_CODEBOOK_TYPES(HEARTH_CASE)
#undef HEARTH_CASE
        default:
            fail(HEARTH_INTERNAL, "tensor type %d is not packed for expanding", static_cast<int>(type));
    }
}

}  // namespace hearth

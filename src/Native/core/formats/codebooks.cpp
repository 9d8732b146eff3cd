#include "core/formats/codebooks.h"

#include <cstring>
#include <iterator>

#include "core/formats/codebook_grids.h"

namespace hearth {

namespace {

template <typename Grid>
constexpr Codebook book_of_8(const Grid& grid, bool ternary) {
    if (ternary) return {grid, static_cast<int>(std::size(grid)), 8, {-8, 0, 8}, true, 0.125f};
    return {grid, static_cast<int>(std::size(grid)), 8, {8, 25, 43}, false, 0.125f};
}

constexpr Codebook kIq2Xxs = book_of_8(kGridIq2Xxs, false);
constexpr Codebook kIq2Xs = book_of_8(kGridIq2Xs, false);
constexpr Codebook kIq2S = book_of_8(kGridIq2S, false);
constexpr Codebook kIq1 = book_of_8(kGridIq1, true);
constexpr Codebook kIq3Xxs = {kGridIq3Xxs, std::size(kGridIq3Xxs), 4, {4, 12, 20, 28, 36, 44, 52, 62}, false,
                              0.25f};
constexpr Codebook kIq3S = {kGridIq3S, std::size(kGridIq3S), 4, {1, 3, 5, 7, 9, 11, 13, 15}, false, 1.0f};

uint32_t read_word(const uint8_t* bytes) {
    uint32_t word;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

// Signs of 8 values from a sign number: the eighth makes their count even.
uint8_t signs_of(uint32_t number) {
    number &= 127;
    return static_cast<uint8_t>(number | (static_cast<uint32_t>(__builtin_parity(number)) << 7));
}

// A word of four sign numbers, with a scale for all 32 columns above them.
void read_signs_and_scale(uint32_t word, CodebookGroup& group) {
    for (int i = 0; i < 4; ++i) group.signs[i] = signs_of(word >> (7 * i));
    group.scales[0] = group.scales[1] = static_cast<uint8_t>(word >> 28);
}

void split_scales(uint8_t both, CodebookGroup& group) {
    group.scales[0] = both & 15;
    group.scales[1] = both >> 4;
}

uint16_t join(uint8_t low, int high) {
    return static_cast<uint16_t>(low | (high << 8));
}

}  // namespace

const Codebook* find_codebook(hearth_type type) {
    switch (type) {
        case HEARTH_TYPE_IQ2_XXS:
            return &kIq2Xxs;
        case HEARTH_TYPE_IQ2_XS:
            return &kIq2Xs;
        case HEARTH_TYPE_IQ2_S:
            return &kIq2S;
        case HEARTH_TYPE_IQ3_XXS:
            return &kIq3Xxs;
        case HEARTH_TYPE_IQ3_S:
            return &kIq3S;
        case HEARTH_TYPE_IQ1_S:
        case HEARTH_TYPE_IQ1_M:
            return &kIq1;
        default:
            return nullptr;
    }
}

CodebookGroup read_group(const BlockIQ2_XXS& block, int group) {
    CodebookGroup result{};
    for (int i = 0; i < 4; ++i) result.entries[i] = block.qs[8 * group + i];
    read_signs_and_scale(read_word(block.qs + 8 * group + 4), result);
    return result;
}

CodebookGroup read_group(const BlockIQ2_XS& block, int group) {
    CodebookGroup result{};
    for (int i = 0; i < 4; ++i) {
        const uint16_t code = block.qs[4 * group + i];
        result.entries[i] = code & 511;
        result.signs[i] = signs_of(code >> 9);
    }
    split_scales(block.scales[group], result);
    return result;
}

CodebookGroup read_group(const BlockIQ2_S& block, int group) {
    CodebookGroup result{};
    for (int i = 0; i < 4; ++i) {
        result.entries[i] = join(block.qs[4 * group + i], (block.qh[group] >> (2 * i)) & 3);
        result.signs[i] = block.signs[4 * group + i];
    }
    split_scales(block.scales[group], result);
    return result;
}

CodebookGroup read_group(const BlockIQ3_XXS& block, int group) {
    CodebookGroup result{};
    for (int i = 0; i < 8; ++i) result.entries[i] = block.qs[8 * group + i];
    read_signs_and_scale(read_word(block.scales_and_signs + 4 * group), result);
    return result;
}

CodebookGroup read_group(const BlockIQ3_S& block, int group) {
    CodebookGroup result{};
    for (int i = 0; i < 8; ++i) result.entries[i] = join(block.qs[8 * group + i], (block.qh[group] >> i) & 1);
    for (int i = 0; i < 4; ++i) result.signs[i] = block.signs[4 * group + i];
    result.scales[0] = result.scales[1] = (block.scales[group / 2] >> (4 * (group % 2))) & 15;
    return result;
}

CodebookGroup read_group(const BlockIQ1_S& block, int group) {
    CodebookGroup result{};
    const uint16_t high = block.qh[group];
    for (int i = 0; i < 4; ++i) result.entries[i] = join(block.qs[4 * group + i], (high >> (3 * i)) & 7);
    result.scales[0] = result.scales[1] = (high >> 12) & 7;
    result.shifts = high & 0x8000 ? 15 : 0;
    return result;
}

CodebookGroup read_group(const BlockIQ1_M& block, int group) {
    CodebookGroup result{};
    for (int i = 0; i < 4; ++i) {
        const int high = block.qh[2 * group + i / 2] >> (4 * (i % 2));
        result.entries[i] = join(block.qs[4 * group + i], high & 7);
        result.shifts |= static_cast<uint8_t>(((high >> 3) & 1) << i);
    }
    uint16_t word;
    std::memcpy(&word, block.scales + group / 2 * 2, sizeof word);
    result.scales[0] = (word >> (6 * (group % 2))) & 7;
    result.scales[1] = (word >> (6 * (group % 2) + 3)) & 7;
    return result;
}

template <>
uint16_t read_d(const BlockIQ1_M& block) {
    uint16_t d = 0;
    for (int i = 0; i < 4; ++i) d = static_cast<uint16_t>(d | ((block.scales[2 * i + 1] >> 4) << (4 * i)));
    return d;
}

void codebook_values(const Codebook& book, const CodebookGroup& group, int8_t* values) {
    for (int j = 0; j < 32; ++j) {
        int value = book.level(group.entries[j / book.values], j % book.values);
        if (book.shifted)
            value += (group.shifts >> (j / 8)) & 1 ? -1 : 1;
        else if ((group.signs[j / 8] >> (j % 8)) & 1)
            value = -value;
        values[j] = static_cast<int8_t>(value);
    }
}

}  // namespace hearth

#include "cpu/linear/codebook_bytes.h"

#include <cstdint>

#include "core/formats/codebooks.h"
#include "cpu/linear/layout.h"

namespace hearth {

namespace {

template <typename Word, int kEntries>
CodebookTable<Word, kEntries> make_table(hearth_type type) {
    const Codebook& book = *find_codebook(type);
    const int bits = book.values == 8 ? 2 : 3;
    CodebookTable<Word, kEntries> table{};
    for (int n = 0; n < kEntries; ++n)
        for (int i = 0; i < book.values; ++i) {
            const int value = book.level(n, i) + (book.shifted ? 1 : 0);
            table.codes[n] |= static_cast<Word>(value + (1 << kExpandedZeroShift)) << (8 * i);
            table.near[n] |= static_cast<Word>(value + (book.shifted ? kNearZero : 0)) << (8 * i);
            const int number = (book.grid[n] >> (bits * i)) & ((1 << bits) - 1);
            uint8_t* numbers = i % 2 == 0 ? table.low_numbers : table.high_numbers;
            numbers[n] |= static_cast<uint8_t>(number << (i / 2 * 16 / book.values));
        }
    for (int i = 0; i < 64; ++i)
        table.levels[i] = static_cast<uint8_t>(book.levels[i % (1 << bits)] + (1 << kExpandedZeroShift));
    return table;
}

}  // namespace

const void* codebook_bytes(hearth_type type) {
    switch (type) {
        case HEARTH_TYPE_IQ2_XXS: {
            static const auto table = make_table<uint64_t, 256>(type);
            return &table;
        }
        case HEARTH_TYPE_IQ2_XS: {
            static const auto table = make_table<uint64_t, 512>(type);
            return &table;
        }
        case HEARTH_TYPE_IQ2_S: {
            static const auto table = make_table<uint64_t, 1024>(type);
            return &table;
        }
        case HEARTH_TYPE_IQ3_XXS: {
            static const auto table = make_table<uint32_t, 256>(type);
            return &table;
        }
        case HEARTH_TYPE_IQ3_S: {
            static const auto table = make_table<uint32_t, 512>(type);
            return &table;
        }
        case HEARTH_TYPE_IQ1_S:
        case HEARTH_TYPE_IQ1_M: {
            static const auto table = make_table<uint64_t, 2048>(type);
            return &table;
        }
        default:
            return nullptr;
    }
}

float scale_unit(hearth_type type) {
    const Codebook* book = find_codebook(type);
    return book ? book->unit : 1.0f;
}

}  // namespace hearth

#include "cpu/linear/codebook_bytes.h"

#include <cstdint>

#include "core/formats/codebooks.h"
#include "cpu/linear/layout.h"

namespace hearth {

namespace {

template <typename Word, int kEntries>
struct Table {
    alignas(64) Word words[kEntries];

    explicit Table(hearth_type type) {
        const Codebook& book = *find_codebook(type);
        for (int n = 0; n < kEntries; ++n) {
            words[n] = 0;
            for (int i = 0; i < book.values; ++i) {
                const int value = book.level(n, i) + (book.shifted ? 1 : 0);
                words[n] |= static_cast<Word>(value + (1 << kExpandedZeroShift)) << (8 * i);
            }
        }
    }
};

}  // namespace

const void* codebook_bytes(hearth_type type) {
    switch (type) {
        case HEARTH_TYPE_IQ2_XXS: {
            static const Table<uint64_t, 256> table(type);
            return table.words;
        }
        case HEARTH_TYPE_IQ2_XS: {
            static const Table<uint64_t, 512> table(type);
            return table.words;
        }
        case HEARTH_TYPE_IQ2_S: {
            static const Table<uint64_t, 1024> table(type);
            return table.words;
        }
        case HEARTH_TYPE_IQ3_XXS: {
            static const Table<uint32_t, 256> table(type);
            return table.words;
        }
        case HEARTH_TYPE_IQ3_S: {
            static const Table<uint32_t, 512> table(type);
            return table.words;
        }
        case HEARTH_TYPE_IQ1_S:
        case HEARTH_TYPE_IQ1_M: {
            static const Table<uint64_t, 2048> table(type);
            return table.words;
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

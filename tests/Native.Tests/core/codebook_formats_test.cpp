// Dequantization of the grid and ternary formats against recorded blocks of another implementation, bit for
// bit.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/formats/codebooks.h"
#include "core/formats/formats.h"
#include "core/types.h"
#include "hearth.h"

namespace {

// Blocks, then the float32 values that they stand for.
struct Recording {
    std::vector<uint8_t> blocks;
    std::vector<uint32_t> bits;
};

Recording read(const hearth::TypeInfo& info) {
    std::ifstream file(std::string(HEARTH_TEST_FIXTURES) + "/formats/" + info.name + ".bin",
                       std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    const auto block_bytes = static_cast<size_t>(info.block_bytes);
    const auto block = static_cast<size_t>(info.block);
    const size_t count = bytes.size() / (block_bytes + 4 * block);
    EXPECT_GT(count, 4u) << info.name;
    EXPECT_EQ(bytes.size(), count * (block_bytes + 4 * block));
    Recording recording;
    recording.blocks.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count * block_bytes));
    recording.bits.resize(count * block);
    std::memcpy(recording.bits.data(), bytes.data() + count * block_bytes, 4 * recording.bits.size());
    return recording;
}

class RecordedFormats : public testing::TestWithParam<hearth_type> {};

TEST_P(RecordedFormats, DequantizeToTheSameBits) {
    const Recording recording = read(hearth::type_info(GetParam()));
    std::vector<float> values(recording.bits.size());
    hearth::dequantize(GetParam(), recording.blocks.data(), values.data(),
                       static_cast<int64_t>(values.size()));
    for (size_t i = 0; i < values.size(); ++i) {
        uint32_t bits;
        std::memcpy(&bits, &values[i], sizeof bits);
        ASSERT_EQ(bits, recording.bits[i]) << "value " << i << ": " << values[i];
    }
}

template <typename Block>
void count_entries(const Recording& recording, int entries, std::vector<int>& seen) {
    for (size_t at = 0; at < recording.blocks.size(); at += sizeof(Block)) {
        Block block;
        std::memcpy(&block, &recording.blocks[at], sizeof block);
        for (int group = 0; group < 8; ++group)
            for (int e = 0; e < entries; ++e) ++seen.at(read_group(block, group).entries[e]);
    }
}

// What makes the comparison above one of whole grids.
TEST(RecordedBlocks, NameEveryEntryOfTheGrids) {
    const struct {
        hearth_type type;
        void (*count)(const Recording&, int entries, std::vector<int>&);
    } cases[] = {{HEARTH_TYPE_IQ1_S, count_entries<hearth::BlockIQ1_S>},
                 {HEARTH_TYPE_IQ1_M, count_entries<hearth::BlockIQ1_M>},
                 {HEARTH_TYPE_IQ2_S, count_entries<hearth::BlockIQ2_S>},
                 {HEARTH_TYPE_IQ2_XS, count_entries<hearth::BlockIQ2_XS>},
                 {HEARTH_TYPE_IQ2_XXS, count_entries<hearth::BlockIQ2_XXS>},
                 {HEARTH_TYPE_IQ3_XXS, count_entries<hearth::BlockIQ3_XXS>},
                 {HEARTH_TYPE_IQ3_S, count_entries<hearth::BlockIQ3_S>}};
    for (const auto& c : cases) {
        const hearth::Codebook& book = *hearth::find_codebook(c.type);
        std::vector<int> seen(static_cast<size_t>(book.entries));
        c.count(read(hearth::type_info(c.type)), 32 / book.values, seen);
        for (size_t n = 0; n < seen.size(); ++n)
            ASSERT_GT(seen[n], 0) << hearth::type_info(c.type).name << " entry " << n;
    }
}

INSTANTIATE_TEST_SUITE_P(AllTypes, RecordedFormats,
                         testing::Values(HEARTH_TYPE_IQ2_XXS, HEARTH_TYPE_IQ2_XS, HEARTH_TYPE_IQ2_S,
                                         HEARTH_TYPE_IQ3_XXS, HEARTH_TYPE_IQ3_S, HEARTH_TYPE_IQ1_S,
                                         HEARTH_TYPE_IQ1_M, HEARTH_TYPE_TQ1_0, HEARTH_TYPE_TQ2_0),
                         [](const auto& info) { return std::string(hearth::type_info(info.param).name); });

}  // namespace

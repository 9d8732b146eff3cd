#include <gtest/gtest.h>

#include <limits>

#include "attention_support.h"
#include "core/error.h"

using namespace hearth_test;

namespace {

// Writes one row of one head in `type` and returns its bytes.
std::vector<uint8_t> encoded(hearth_isa isa, hearth_type type, std::vector<float> row) {
    const int width = static_cast<int>(row.size());
    const size_t bytes = hearth::cache_row_bytes(type, width);
    std::vector<uint8_t> keys(bytes * 8, 0xee), values(bytes * 8, 0xee);
    hearth::KvLayer layer{keys.data(), values.data(), keys.size(), values.size(), type, type, 8,
                          1,           width,         width};
    const int32_t page = 0;
    const hearth::SequenceRows rows{0, 1, 2, &page};
    hearth::ThreadPool pool(1);
    hearth::cache_write(isa, {row.data(), row.data(), width, width, &rows, 1, &layer}, pool);
    EXPECT_EQ(keys, values);
    for (size_t i = 0; i < keys.size(); ++i) {
        if (i < 2 * bytes || i >= 3 * bytes) {
            EXPECT_EQ(keys[i], 0xee) << "byte " << i << " is outside position 2";
        }
    }
    return {keys.begin() + static_cast<int64_t>(2 * bytes), keys.begin() + static_cast<int64_t>(3 * bytes)};
}

std::vector<float> hard_values() {
    std::vector<float> x = normal_floats(1000, 5);
    for (float v : normal_floats(500, 6, 1e-6f)) x.push_back(v);
    for (float v : normal_floats(500, 7, 3e4f)) x.push_back(v);
    // Ties between neighbours in float16 and bfloat16, subnormals, the edges of ranges.
    for (float v :
         {1.0f + 0x1p-11f, 1.0f + 3 * 0x1p-11f, 1.0f + 0x1p-8f, 1.0f + 3 * 0x1p-8f, 0x1p-24f, 0x1p-25f,
          1.5f * 0x1p-25f, 3 * 0x1p-25f, 0x1p-14f, 0x1.ffcp-15f, 0x1.ffep-15f, 65504.0f, 65519.0f, 65520.0f,
          1e30f, 3.4e38f, 1e-45f, 0.0f, std::numeric_limits<float>::infinity()}) {
        x.push_back(v);
        x.push_back(-v);
    }
    return x;
}

// The nearest of all 65536 values of a 16-bit format, the even one of two equally near; beyond the largest by
// half a step, infinity.
template <typename Decode>
uint16_t nearest(float x, Decode decode, uint16_t infinity) {
    const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
    const double magnitude = std::abs(static_cast<double>(x));
    if (std::isinf(x)) return sign | infinity;
    uint16_t low = 0, high = infinity;  // decode(low) <= magnitude < decode(high)
    while (high - low > 1) {
        const uint16_t middle = static_cast<uint16_t>((low + high) / 2);
        (decode(middle) <= magnitude ? low : high) = middle;
    }
    const double below = decode(low),
                 step = decode(low) - (low > 0 ? decode(static_cast<uint16_t>(low - 1)) : 0.0);
    const double above = high == infinity ? below + step : decode(high);
    if (magnitude - below < above - magnitude) return sign | low;
    if (magnitude - below > above - magnitude) return sign | high;
    return static_cast<uint16_t>(sign | (low % 2 == 0 ? low : high));
}

TEST(CacheWrite, SixteenBitFormatsRoundToNearestEven) {
    const std::vector<float> x = hard_values();
    for (hearth_isa isa : isas_here()) {
        const auto half = encoded(isa, HEARTH_TYPE_F16, x), bfloat = encoded(isa, HEARTH_TYPE_BF16, x);
        for (size_t i = 0; i < x.size(); ++i) {
            EXPECT_EQ(half[2 * i] | half[2 * i + 1] << 8, nearest(x[i], half_value, 0x7c00)) << x[i];
            EXPECT_EQ(bfloat[2 * i] | bfloat[2 * i + 1] << 8, nearest(x[i], bfloat_value, 0x7f80)) << x[i];
        }
    }
}

TEST(CacheWrite, NaNStaysNaNInEveryType) {
    for (hearth_isa isa : isas_here())
        for (hearth_type type :
             {HEARTH_TYPE_F32, HEARTH_TYPE_F16, HEARTH_TYPE_BF16, HEARTH_TYPE_Q8_0, HEARTH_TYPE_Q4_0})
            for (float bad : {NAN, -NAN, INFINITY}) {
                std::vector<float> x = normal_floats(96, 3);
                x[40] = bad;
                const auto bytes = encoded(isa, type, x);
                EXPECT_FALSE(std::isfinite(cached_value(type, bytes.data(), 40)));
                EXPECT_TRUE(std::isfinite(cached_value(type, bytes.data(), 5)));
                EXPECT_TRUE(std::isfinite(cached_value(type, bytes.data(), 90)));
            }
}

// GGUF's reference quantizers, written out.
std::vector<uint8_t> reference_block(hearth_type type, const float* x) {
    std::vector<uint8_t> block(type == HEARTH_TYPE_Q8_0 ? 34 : 18, 0);
    float extreme = 0;
    for (int i = 0; i < 32; ++i)
        if (std::abs(x[i]) > std::abs(extreme)) extreme = x[i];
    const float scale = type == HEARTH_TYPE_Q8_0 ? std::abs(extreme) / 127.0f : extreme / -8.0f;
    const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    const uint16_t half = nearest(scale, half_value, 0x7c00);
    block[0] = static_cast<uint8_t>(half);
    block[1] = static_cast<uint8_t>(half >> 8);
    for (int i = 0; i < 32; ++i) {
        if (type == HEARTH_TYPE_Q8_0) {
            block[static_cast<size_t>(2 + i)] =
                static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * inverse)));
        } else {
            const int code = std::min(15, static_cast<int>(x[i] * inverse + 8.5f));
            block[static_cast<size_t>(2 + i % 16)] |= static_cast<uint8_t>(i < 16 ? code : code << 4);
        }
    }
    return block;
}

TEST(CacheWrite, BlocksEqualTheReferenceQuantizer) {
    std::vector<float> x = normal_floats(32 * 50, 9);
    for (size_t i = 0; i < 32; ++i) x[i] = 0.0f;
    for (size_t i = 32; i < 64; ++i) x[i] = i % 2 ? 3.0f : -3.0f;
    for (size_t i = 64; i < 96; ++i) x[i] *= 1e-4f;
    for (size_t i = 96; i < 128; ++i) x[i] = static_cast<float>(i) - 111.5f;
    for (hearth_isa isa : isas_here())
        for (hearth_type type : {HEARTH_TYPE_Q8_0, HEARTH_TYPE_Q4_0}) {
            std::vector<uint8_t> expected;
            for (size_t b = 0; b < x.size(); b += 32) {
                const auto block = reference_block(type, x.data() + b);
                expected.insert(expected.end(), block.begin(), block.end());
            }
            EXPECT_EQ(encoded(isa, type, x), expected) << hearth::isa_name(isa) << " type " << type;
        }
}

TEST(CacheWrite, EveryPositionLandsInItsPage) {
    for (int threads : {1, 2, 3})
        for (int page_tokens : {8, 64}) {
            const AttentionCase c{.sequences = {{70, 9}, {0, 1}, {5, 600}},
                                  .heads = 3,
                                  .kv_heads = 3,
                                  .page_tokens = page_tokens,
                                  .threads = threads};
            AttentionData data(c);
            data.fill_cache(hearth::best_isa());
            size_t key = 0, value = 0;
            for (size_t s = 0; s < c.sequences.size(); ++s)
                for (int p = 0; p < c.sequences[s].past + c.sequences[s].rows; ++p)
                    for (int h = 0; h < c.kv_heads; ++h) {
                        for (int d = 0; d < c.key_width; ++d)
                            ASSERT_EQ(data.cached_key(s, p, h, d), data.keys[key++]);
                        for (int d = 0; d < c.value_width; ++d)
                            ASSERT_EQ(data.cached_value_of(s, p, h, d), data.values[value++]);
                    }
        }
}

TEST(CacheWrite, TypesAndWidthsThatNoCacheHoldsAreRefused) {
    EXPECT_EQ(hearth::cache_row_bytes(HEARTH_TYPE_Q8_0, 96), 3u * 34u);
    EXPECT_EQ(hearth::cache_row_bytes(HEARTH_TYPE_Q4_0, 64), 2u * 18u);
    EXPECT_EQ(hearth::cache_row_bytes(HEARTH_TYPE_BF16, 5), 10u);
    EXPECT_THROW(hearth::cache_row_bytes(HEARTH_TYPE_Q8_0, 80), hearth::Error);
    EXPECT_THROW(hearth::cache_row_bytes(HEARTH_TYPE_Q4_K, 256), hearth::Error);
}

}  // namespace

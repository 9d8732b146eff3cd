// Rows of the cache to and from float32. float16 and bfloat16 round to nearest, ties to even; the block types
// choose scales and codes as GGUF's reference quantizer does.

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

inline void encode_f16(const float* x, uint16_t* y, int32_t count) {
    int32_t i = 0;
    for (; i + kWidth <= count; i += kWidth) store_f16(y + i, load(x + i));
    for (; i < count; ++i) y[i] = float_to_half(x[i]);
}

inline void encode_bf16(const float* x, uint16_t* y, int32_t count) {
    for (int32_t i = 0; i < count; ++i) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        // A NaN keeps its sign and becomes quiet; rounding could carry it into infinity.
        const uint32_t quiet = (bits >> 16) | 0x40u;
        const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
        y[i] = static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
    }
}

// To the nearest integer, halves away from zero; |x| is small.
inline int32_t round_away(float x) {
    const float magnitude = x < 0.0f ? -x : x;
    const int32_t whole = static_cast<int32_t>(magnitude);
    const int32_t rounded = whole + (magnitude - static_cast<float>(whole) >= 0.5f ? 1 : 0);
    return x < 0.0f ? -rounded : rounded;
}

inline float largest_magnitude(const float* x) {
    Floats m = splat(0.0f);
    for (int i = 0; i < kBlockColumns; i += kWidth) m = maximum(m, absolute(load(x + i)));
    return largest(m);
}

// Whether all of a block is finite: infinities and NaN turn into NaN when multiplied by 0.
inline bool is_finite_block(const float* x) {
    Floats zeros = splat(0.0f);
    for (int i = 0; i < kBlockColumns; i += kWidth) zeros = zeros + load(x + i) * splat(0.0f);
    return sum(zeros) == 0.0f;
}

// A block holding a NaN or an infinity reads back as NaN throughout.
constexpr uint16_t kHalfNaN = 0x7e00;

inline void encode_q8_0(const float* x, BlockQ8_0* y, int32_t count) {
    for (int32_t b = 0; b < count / kBlockColumns; ++b, x += kBlockColumns, ++y) {
        if (!is_finite_block(x)) {
            *y = BlockQ8_0{kHalfNaN, {}};
            continue;
        }
        const float scale = largest_magnitude(x) / 127.0f;
        const float inverse = scale > 0x1p-126f ? 1.0f / scale : 0.0f;
        y->d = float_to_half(scale);
        for (int i = 0; i < kBlockColumns; ++i) y->qs[i] = static_cast<int8_t>(round_away(x[i] * inverse));
    }
}

inline void encode_q4_0(const float* x, BlockQ4_0* y, int32_t count) {
    for (int32_t b = 0; b < count / kBlockColumns; ++b, x += kBlockColumns, ++y) {
        if (!is_finite_block(x)) {
            *y = BlockQ4_0{kHalfNaN, {}};
            continue;
        }
        // The value of largest magnitude, the first of equals, gets the code at the far end, 0.
        const float magnitude = largest_magnitude(x);
        float extreme = 0.0f;
        for (int i = kBlockColumns - 1; i >= 0; --i)
            if (x[i] == magnitude || -x[i] == magnitude) extreme = x[i];
        const float scale = extreme / -8.0f;
        const float inverse = magnitude > 0x1p-123f ? 1.0f / scale : 0.0f;
        y->d = float_to_half(scale);
        uint8_t codes[kBlockColumns];
        for (int i = 0; i < kBlockColumns; ++i) {
            const int32_t code = static_cast<int32_t>(x[i] * inverse + 8.5f);
            codes[i] = static_cast<uint8_t>(code > 15 ? 15 : code);
        }
        for (int i = 0; i < kBlockColumns / 2; ++i)
            y->qs[i] = static_cast<uint8_t>(codes[i] | (codes[i + kBlockColumns / 2] << 4));
    }
}

void encode(hearth_type type, const float* input, void* output, int32_t count) {
    switch (type) {
        case HEARTH_TYPE_F32:
            memcpy(output, input, static_cast<size_t>(count) * sizeof(float));
            return;
        case HEARTH_TYPE_F16:
            return encode_f16(input, static_cast<uint16_t*>(output), count);
        case HEARTH_TYPE_BF16:
            return encode_bf16(input, static_cast<uint16_t*>(output), count);
        case HEARTH_TYPE_Q8_0:
            return encode_q8_0(input, static_cast<BlockQ8_0*>(output), count);
        case HEARTH_TYPE_Q4_0:
            return encode_q4_0(input, static_cast<BlockQ4_0*>(output), count);
        default:
            return;
    }
}

// How rows of the cache are read as floats: get fills N vectors with the columns from `column` on, a multiple
// of N * kWidth; get_first one vector with the last n < kWidth columns. kVectors at a time cost least.
template <typename Element_, Floats (*Load)(const Element_*), Floats (*LoadFirst)(const Element_*, int)>
struct FloatSource {
    using Element = Element_;
    static constexpr int kVectors = 1;
    template <int N>
    static void get(const uint8_t* row, int column, Floats (&x)[N]) {
        const Element* p = reinterpret_cast<const Element*>(row) + column;
        for (int i = 0; i < N; ++i) x[i] = Load(p + i * kWidth);
    }
    static Floats get_first(const uint8_t* row, int column, int n) {
        return LoadFirst(reinterpret_cast<const Element*>(row) + column, n);
    }
};
using SourceF32 = FloatSource<float, load, load_first>;
using SourceF16 = FloatSource<uint16_t, load_f16, load_f16_first>;
using SourceBF16 = FloatSource<uint16_t, load_bf16, load_bf16_first>;

// Rows of whole blocks of kBlockColumns; kWidth divides them, so nothing is left for get_first.
template <typename Block, Floats (*Codes)(const Block&, int column)>
struct BlockSource {
    static constexpr int kVectors = kBlockColumns / kWidth;
    template <int N>
    static void get(const uint8_t* row, int column, Floats (&x)[N]) {
        constexpr int kInBlock = N < kVectors ? N : kVectors;
        static_assert(N % kInBlock == 0);
        const Block* block = reinterpret_cast<const Block*>(row) + column / kBlockColumns;
        const int first = N < kVectors ? column % kBlockColumns : 0;
        for (int i = 0; i < N; i += kInBlock, ++block) {
            const Floats scale = splat(half_to_float(block->d));
            for (int j = 0; j < kInBlock; ++j) x[i + j] = Codes(*block, first + j * kWidth) * scale;
        }
    }
    static Floats get_first(const uint8_t*, int, int) { return splat(0.0f); }
};

inline Floats codes_of_q8_0(const BlockQ8_0& block, int column) {
    return load_i8(block.qs + column);
}
inline Floats codes_of_q4_0(const BlockQ4_0& block, int column) {
    constexpr int kHalf = kBlockColumns / 2;
    return column < kHalf ? load_i4<false>(block.qs + column) : load_i4<true>(block.qs + column - kHalf);
}
using SourceQ8_0 = BlockSource<BlockQ8_0, codes_of_q8_0>;
using SourceQ4_0 = BlockSource<BlockQ4_0, codes_of_q4_0>;

// Calls body(Source{}) with the source of a type that caches hold.
template <typename Body>
inline void with_source(hearth_type type, const Body& body) {
    switch (type) {
        case HEARTH_TYPE_F32:
            return body(SourceF32{});
        case HEARTH_TYPE_F16:
            return body(SourceF16{});
        case HEARTH_TYPE_BF16:
            return body(SourceBF16{});
        case HEARTH_TYPE_Q8_0:
            return body(SourceQ8_0{});
        case HEARTH_TYPE_Q4_0:
            return body(SourceQ4_0{});
        default:
            return;
    }
}

// One row of the cache as float32.
template <typename Source>
inline void decode(const uint8_t* row, float* y, int32_t count) {
    constexpr int kStep = Source::kVectors * kWidth;
    int32_t i = 0;
    for (; i + kStep <= count; i += kStep) {
        Floats x[Source::kVectors];
        Source::get(row, i, x);
        for (int v = 0; v < Source::kVectors; ++v) store(y + i + v * kWidth, x[v]);
    }
    if (i < count) store_first(y + i, Source::get_first(row, i, count - i), count - i);
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE

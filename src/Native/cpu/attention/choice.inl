// Scores by which keys are chosen for a row. Each is made for itself, so it is the same whatever keys are beside it.

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

inline float dot(const float* query, const float* key, int width) {
    Floats even = splat(0.0f), odd = splat(0.0f);
    int d = 0;
    for (; d + 2 * kWidth <= width; d += 2 * kWidth) {
        even = fma(load(query + d), load(key + d), even);
        odd = fma(load(query + d + kWidth), load(key + d + kWidth), odd);
    }
    if (d + kWidth <= width) {
        even = fma(load(query + d), load(key + d), even);
        d += kWidth;
    }
    if (d < width) odd = fma(load_first(query + d, width - d), load_first(key + d, width - d), odd);
    return sum(even + odd);
}

void key_scores(const KeyScores& call) {
    constexpr int kAtOnce = 16;
    const int width = call.keys.width;
    const uint8_t* address[kAtOnce];
    float key[kMaxChoiceWidth];
    for (int64_t first = call.begin; first < call.end; first += kAtOnce) {
        const int count = static_cast<int>(call.end - first < kAtOnce ? call.end - first : kAtOnce);
        locate(call.keys, first, count, address);
        for (int k = 0; k < count; ++k) {
            with_source(call.keys.type,
                        [&](auto source) { decode<decltype(source)>(address[k], key, width); });
            float total = 0.0f;
            for (int32_t head = 0; head < call.heads; ++head) {
                const float product = dot(call.queries + int64_t{head} * width, key, width);
                if (product > 0.0f) total += call.weights[head] * product;
            }
            call.scores[first - call.begin + k] = total;
        }
    }
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE

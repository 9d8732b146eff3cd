#include <algorithm>
#include <cmath>

#include "cpu/operations.h"

namespace hearth {

namespace {

// The pair index at which a wave turns `rotations` times over the original context.
double correction(const hearth_rope_parameters& p, double rotations) {
    constexpr double kTwoPi = 6.283185307179586;
    return p.dimensions * std::log(p.original_context / (rotations * kTwoPi)) /
           (2.0 * std::log(double{p.base}));
}

struct Yarn {
    double low, high;
    double magnitude;

    explicit Yarn(const hearth_rope_parameters& p) : low(0), high(0), magnitude(p.attention_factor) {
        if (p.extrapolation == 0.0f) return;
        low = std::max(0.0, std::floor(correction(p, p.beta_fast)));
        high = std::min(p.dimensions - 1.0, std::ceil(correction(p, p.beta_slow)));
        magnitude *= 1.0 + 0.1 * std::log(1.0 / p.frequency_scale);
    }

    // How much of pair i keeps its frequency.
    double mix(const hearth_rope_parameters& p, int pair) const {
        if (p.extrapolation == 0.0f) return 0.0;
        const double ramp = (pair - low) / std::max(0.001, high - low);
        return p.extrapolation * (1.0 - std::min(1.0, std::max(0.0, ramp)));
    }
};

}  // namespace

void rope_table(const int32_t* positions, int64_t rows, const float* factors,
                const hearth_rope_parameters& parameters, float* table, ThreadPool& pool) {
    constexpr int64_t kRowsPerPiece = 8;
    const Yarn yarn(parameters);
    const int32_t dimensions = parameters.dimensions;
    pool.parallel_for(rows, kRowsPerPiece, [&](int64_t begin, int64_t end, int) {
        for (int32_t pair = 0; pair < dimensions / 2; ++pair) {
            double frequency = std::pow(double{parameters.base}, -2.0 * pair / dimensions);
            if (factors) frequency /= factors[pair];
            const double mix = yarn.mix(parameters, pair);
            frequency *= parameters.frequency_scale * (1.0 - mix) + mix;
            for (int64_t row = begin; row < end; ++row) {
                const double angle = positions[row] * frequency;
                float* entry = table + row * dimensions + 2 * pair;
                entry[0] = static_cast<float>(std::cos(angle) * yarn.magnitude);
                entry[1] = static_cast<float>(std::sin(angle) * yarn.magnitude);
            }
        }
    });
}

}  // namespace hearth

// Searches for the scale (and offset) of a group of weights that leave the least weighted squared error.
//
// x [N]: weights, w [N]: their importance, q [N]: codes. Given codes, the best scale is the least-squares
// solution; given a scale, the best codes are the nearest ones. A search tries scales over a range, keeps the
// one whose codes explain most (gain: what the least-squares solution takes off sum w x^2), and repeats the
// two steps from there. Eight candidates are tried at a time, one a lane.
#pragma once

#include "core/formats/blocks.h"
#include "cpu/quantize/lanes.h"
#include "cpu/quantize/scales.h"

namespace hearth {
namespace {

// Nearest of the whole numbers kLow..kHigh.
template <int kLow, int kHigh>
struct UniformCodes {
    static HEARTH_INLINE Floats nearest(Floats v) { return round_within(v, kLow, kHigh); }
};

// Nearest of the 16 rising values of the IQ4 formats.
struct Iq4Codes {
    static HEARTH_INLINE Floats nearest(Floats v) {
        Floats value = splat(kIq4Values[0]);
        for (int i = 0; i < 15; ++i) {
            const float middle = 0.5f * static_cast<float>(kIq4Values[i] + kIq4Values[i + 1]);
            const auto step = static_cast<float>(kIq4Values[i + 1] - kIq4Values[i]);
            value += v > splat(middle) ? splat(step) : splat(0);
        }
        return value;
    }
};

HEARTH_INLINE float inverse_of(float scale) {
    return scale != 0 ? 1 / scale : 0;
}

HEARTH_INLINE Floats inverse_of(Floats scale) {
    const auto nonzero = scale != splat(0);
    return nonzero ? splat(1) / (nonzero ? scale : splat(1)) : splat(0);
}

template <int N>
HEARTH_INLINE float largest_magnitude(const float* x) {
    float largest = 0;
    for (int i = 0; i < N; ++i) largest = magnitude(x[i]) > largest ? magnitude(x[i]) : largest;
    return largest;
}

// ---- x = scale * q

struct ScaleFit {
    float scale = 0;
    float gain = 0;
};

// Sums over a group for the least squares of its scale.
struct ScaleSums {
    float xq = 0, qq = 0;
    HEARTH_INLINE ScaleFit fit() const { return qq > 0 ? ScaleFit{xq / qq, xq * xq / qq} : ScaleFit{}; }
};

template <int N, class Codes>
HEARTH_INLINE ScaleSums scale_sums(const float* x, const float* w, float inverse) {
    Floats xq = splat(0), qq = splat(0);
    for (int i = 0; i < N; i += kLanes) {
        const Floats v = load(x + i), q = Codes::nearest(v * splat(inverse)), wq = load(w + i) * q;
        xq += wq * v;
        qq += wq * q;
    }
    return {sum(xq), sum(qq)};
}

// Weighted squared error of eight scales with the nearest codes of each.
template <int N, class Codes>
HEARTH_INLINE Floats scale_errors(const float* x, const float* w, Floats scales) {
    const Floats inverse = inverse_of(scales);
    Floats total = splat(0);
    for (int i = 0; i < N; ++i) {
        const Floats v = splat(x[i]), rest = v - scales * Codes::nearest(v * inverse);
        total += splat(w[i]) * (rest * rest);
    }
    return total;
}

// Scales to try: largest magnitude / span for eight times kRounds spans from low to high.
struct Spans {
    float low, high;
};

// The best scale of one sign.
template <int N, class Codes, int kRounds>
HEARTH_INLINE ScaleFit search_scale(const float* x, const float* w, float largest, Spans spans, float sign) {
    if (largest == 0) return {};
    const float step = (spans.high - spans.low) / (kLanes * kRounds - 1);
    ScaleFit best;
    for (int round = 0; round < kRounds; ++round) {
        const Floats number = kLaneNumbers + splat(static_cast<float>(kLanes * round));
        const Floats inverse = (splat(spans.low) + splat(step) * number) * splat(sign / largest);
        Floats xq = splat(0), qq = splat(0);
        for (int i = 0; i < N; ++i) {
            const Floats v = splat(x[i]), q = Codes::nearest(v * inverse), wq = splat(w[i]) * q;
            xq += wq * v;
            qq += wq * q;
        }
        const auto some = qq > splat(0);
        const Floats gain = some ? xq * xq / (some ? qq : splat(1)) : splat(0);
        const int lane = lane_of_largest(gain);
        if (gain[lane] > best.gain) best = {xq[lane] / qq[lane], gain[lane]};
    }
    for (int i = 0; i < 2 && best.scale != 0; ++i) {
        const ScaleFit fit = scale_sums<N, Codes>(x, w, 1 / best.scale).fit();
        if (!(fit.gain > best.gain)) break;
        best = fit;
    }
    return best;
}

// The f16 near a scale whose codes fit best, of eight neighbours; the nearest is among them.
template <int N, class Codes>
HEARTH_INLINE HalfScale best_half(float scale, const Normalized<N>& block) {
    const HalfScale nearest = half_scale(scale, block);
    if (!nearest.finite) return nearest;
    HalfScale near[kLanes];
    Floats scales;
    for (int i = 0; i < kLanes; ++i) {
        near[i] = neighbour(nearest, i - 3, block.down);
        scales[i] = near[i].value;
    }
    return near[lane_of_largest(-scale_errors<N, Codes>(block.x, block.w, scales))];
}

// ---- x = scale * q + offset, q in 0..kMost

struct AffineFit {
    float scale = 0, offset = 0;
    float gain = -1;
};

struct AffineSums {
    float w = 0, x = 0;           // of the group
    float q = 0, qq = 0, xq = 0;  // of its codes
};

template <int N, int kMost>
HEARTH_INLINE void code_sums(const float* x, const float* w, float inverse, float offset, AffineSums& sums) {
    Floats q1 = splat(0), q2 = splat(0), xq = splat(0);
    for (int i = 0; i < N; i += kLanes) {
        const Floats v = load(x + i), q = round_within((v - splat(offset)) * splat(inverse), 0, kMost);
        const Floats wq = load(w + i) * q;
        q1 += wq;
        q2 += wq * q;
        xq += wq * v;
    }
    sums.q = sum(q1), sums.qq = sum(q2), sums.xq = sum(xq);
}

// Weighted squared error of eight pairs of scale and offset with the nearest codes of each.
template <int N, int kMost>
HEARTH_INLINE Floats affine_errors(const float* x, const float* w, Floats scales, Floats offsets) {
    const Floats inverse = inverse_of(scales);
    Floats total = splat(0);
    for (int i = 0; i < N; ++i) {
        const Floats v = splat(x[i]) - offsets;
        const Floats rest = v - scales * round_within(v * inverse, 0, kMost);
        total += splat(w[i]) * (rest * rest);
    }
    return total;
}

// Least-squares solutions of eight candidates from the sums over their codes; sum_w and sum_x are of the
// group. kBelowZero: offsets are at most zero, as the K formats store them.
template <bool kBelowZero>
struct AffineSolutions {
    Floats scale, offset, gain;

    HEARTH_INLINE AffineSolutions(float sum_w, float sum_x, Floats q, Floats qq, Floats xq) {
        const Floats w = splat(sum_w), x = splat(sum_x), zero = splat(0), one = splat(1);
        const Floats determinant = w * qq - q * q;
        const auto regular = determinant > splat(1e-6f) * w * qq;
        const Floats divisor = regular ? determinant : one;
        scale = regular ? (w * xq - x * q) / divisor : zero;
        offset = regular ? (qq * x - q * xq) / divisor : zero;
        if constexpr (kBelowZero) {
            const auto through_zero = (offset > zero) | ~regular;
            const auto some = qq > zero;
            const Floats slope = some ? xq / (some ? qq : one) : zero;
            scale = through_zero ? slope : scale;
            offset = through_zero ? zero : offset;
        }
        gain = scale * xq + offset * x;
    }

    HEARTH_INLINE AffineFit best() const {
        const int lane = lane_of_largest(gain);
        return {scale[lane], offset[lane], gain[lane]};
    }
};

template <bool kBelowZero>
HEARTH_INLINE AffineFit solve_affine(const AffineSums& sums) {
    return AffineSolutions<kBelowZero>(sums.w, sums.x, splat(sums.q), splat(sums.qq), splat(sums.xq)).best();
}

template <int N>
HEARTH_INLINE AffineSums group_sums(const float* x, const float* w) {
    Floats sum_w = splat(0), sum_x = splat(0);
    for (int i = 0; i < N; i += kLanes) {
        sum_w += load(w + i);
        sum_x += load(w + i) * load(x + i);
    }
    AffineSums sums;
    sums.w = sum(sum_w), sums.x = sum(sum_x);
    return sums;
}

// Grids to try: kMost + t steps over the range of x for eight t from low to high, each laid against the lower
// end, the middle and the upper end of the range.
struct Steps {
    float low, high;
};

template <int N, int kMost, bool kBelowZero>
HEARTH_INLINE AffineFit search_affine(const float* x, const float* w, Steps steps) {
    float least = x[0], most = x[0];
    for (int i = 0; i < N; ++i) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
    }
    if (kBelowZero && least > 0) least = 0;
    if (!(most > least)) return {0, least, 0};  // a constant: the offset alone says it
    AffineSums sums = group_sums<N>(x, w);
    const Floats count =
        splat(kMost + steps.low) + splat((steps.high - steps.low) / (kLanes - 1)) * kLaneNumbers;
    const Floats scale = splat(most - least) / count, inverse = splat(1) / scale;
    AffineFit best;
    for (int place = 0; place < 3; ++place) {
        const Floats slack = splat(most - least) - scale * splat(kMost);
        Floats offset = splat(least) + splat(0.5f * static_cast<float>(place)) * slack;
        if (kBelowZero) offset = offset > splat(0) ? splat(0) : offset;
        Floats q1 = splat(0), q2 = splat(0), xq = splat(0);
        for (int i = 0; i < N; ++i) {
            const Floats v = splat(x[i]), q = round_within((v - offset) * inverse, 0, kMost),
                         wq = splat(w[i]) * q;
            q1 += wq;
            q2 += wq * q;
            xq += wq * v;
        }
        const AffineFit found = AffineSolutions<kBelowZero>(sums.w, sums.x, q1, q2, xq).best();
        best = found.gain > best.gain ? found : best;
    }
    for (int i = 0; i < 3 && best.scale != 0; ++i) {
        code_sums<N, kMost>(x, w, 1 / best.scale, best.offset, sums);
        const AffineFit found = solve_affine<kBelowZero>(sums);
        if (!(found.gain > best.gain)) break;
        best = found;
    }
    return best;
}

// The changes of a stored scale and a stored minimum that are tried together. A grid that is stretched
// downwards needs both, so those come with their diagonals.
constexpr int kScaleChanges[kLanes] = {0, 1, -1, 0, 0, 1, -1, 1};
constexpr int kMinimumChanges[kLanes] = {0, 0, 0, 1, -1, 1, -1, -1};

}  // namespace
}  // namespace hearth

// The two-level scales of the K formats, as far as arithmetic goes: a super-block has one f16 scale (and one
// for offsets) and a small whole number a group. A start gives the f16 scales; then, in turns, every group
// takes the whole numbers near its own that leave it the least true error, and the f16 scales become the
// least-squares solution for them.
#pragma once

#include "core/formats/blocks.h"
#include "cpu/quantize/search.h"

namespace hearth {
namespace {

constexpr int kSuper = kSuperColumns;
constexpr int kTurns = 3;

// value = d * scale[group] * code, scales kLeast..kMost.
template <int kGroup>
struct CentredSuper {
    static constexpr int kGroups = kSuper / kGroup;
    HalfScale d;
    int scales[kGroups] = {};
    float error = 0;
};

template <int kGroup, class Codes, int kRounds, int kLeast, int kMost>
struct CentredSearch {
    static constexpr int kGroups = kSuper / kGroup;
    using Result = CentredSuper<kGroup>;

    const Normalized<kSuper>& block;
    ScaleFit fits[kGroups][2] = {};  // of either sign

    HEARTH_INLINE const float* x(int group) const { return block.x + group * kGroup; }
    HEARTH_INLINE const float* w(int group) const { return block.w + group * kGroup; }

    // divisors: what the largest group's scale may be stored as; each is a start.
    template <int kStarts>
    HEARTH_INLINE Result run(Spans spans, const float (&divisors)[kStarts]) {
        float extreme = 0;
        for (int g = 0; g < kGroups; ++g) {
            const float largest = largest_magnitude<kGroup>(x(g));
            for (int s = 0; s < 2; ++s)
                fits[g][s] =
                    search_scale<kGroup, Codes, kRounds>(x(g), w(g), largest, spans, s == 0 ? 1.0f : -1.0f);
            const float scale = fits[g][fits[g][1].gain > fits[g][0].gain].scale;
            if (magnitude(scale) > magnitude(extreme)) extreme = scale;
        }
        Result best;
        for (int i = 0; i < kStarts; ++i) {
            const Result found = start(extreme / divisors[i]);
            if (i == 0 || !best.d.finite || (found.d.finite && found.error < best.error)) best = found;
        }
        return best;
    }

  private:
    HEARTH_INLINE Result start(float scale) {
        Result state;
        state.d = multiplied_half_scale(scale, block);
        if (!state.d.finite) return state;
        choose_by_fit(state);
        for (int turn = 0; turn < kTurns; ++turn) {
            Result next = state;
            next.d = half_scale(solve(state), block);
            if (!next.d.finite) break;
            choose_nearby(next);
            if (!(next.error < state.error)) break;
            state = next;
        }
        return state;
    }

    // The best of eight whole numbers around near, as the group's scale.
    HEARTH_INLINE float choose(Result& state, int group, int near) {
        const Floats candidates =
            round_within(splat(static_cast<float>(near - 3)) + kLaneNumbers, kLeast, kMost);
        const Floats errors =
            scale_errors<kGroup, Codes>(x(group), w(group), splat(state.d.value) * candidates);
        const int lane = lane_of_largest(-errors);
        state.scales[group] = static_cast<int>(candidates[lane]);
        return errors[lane];
    }

    HEARTH_INLINE void choose_by_fit(Result& state) {
        state.error = 0;
        for (int g = 0; g < kGroups; ++g) {
            int near[2];
            for (int s = 0; s < 2; ++s)
                near[s] = static_cast<int>(
                    round_within(fits[g][s].scale * inverse_of(state.d.value), kLeast, kMost));
            const float first = choose(state, g, near[0]);
            const int chosen = state.scales[g];
            const float second = choose(state, g, near[1]);
            if (first <= second) state.scales[g] = chosen;
            state.error += first <= second ? first : second;
        }
    }

    HEARTH_INLINE void choose_nearby(Result& state) {
        state.error = 0;
        for (int g = 0; g < kGroups; ++g) state.error += choose(state, g, state.scales[g]);
    }

    // The f16 scale that fits the codes and scales of state best.
    HEARTH_INLINE float solve(const Result& state) const {
        float xq = 0, qq = 0;
        for (int g = 0; g < kGroups; ++g) {
            const auto scale = static_cast<float>(state.scales[g]);
            const ScaleSums sums = scale_sums<kGroup, Codes>(x(g), w(g), inverse_of(state.d.value * scale));
            xq += scale * sums.xq;
            qq += scale * scale * sums.qq;
        }
        return qq > 0 ? xq / qq : 0;
    }
};

// value = d * scale[group] * code - dmin * minimum[group], codes 0..kCodes, scales and minimums 0..kMost.
template <int kGroup>
struct AffineSuper {
    static constexpr int kGroups = kSuper / kGroup;
    HalfScale d, dmin;
    int scales[kGroups] = {};
    int minimums[kGroups] = {};
    float error = 0;
};

template <int kGroup, int kCodes, int kMost>
struct AffineSearch {
    static constexpr int kGroups = kSuper / kGroup;
    using Result = AffineSuper<kGroup>;

    const Normalized<kSuper>& block;
    AffineFit fits[kGroups] = {};
    AffineSums sums[kGroups] = {};

    HEARTH_INLINE const float* x(int group) const { return block.x + group * kGroup; }
    HEARTH_INLINE const float* w(int group) const { return block.w + group * kGroup; }

    // divisors: what the largest scale and the largest minimum may be stored as; each row is a start.
    template <int kStarts>
    HEARTH_INLINE Result run(Steps steps, const float (&divisors)[kStarts][2]) {
        float scale = 0, minimum = 0;
        for (int g = 0; g < kGroups; ++g) {
            fits[g] = search_affine<kGroup, kCodes, true>(x(g), w(g), steps);
            sums[g] = group_sums<kGroup>(x(g), w(g));
            scale = fits[g].scale > scale ? fits[g].scale : scale;
            minimum = -fits[g].offset > minimum ? -fits[g].offset : minimum;
        }
        Result best;
        for (int i = 0; i < kStarts; ++i) {
            const Result found = start(scale / divisors[i][0], minimum / divisors[i][1]);
            if (i == 0 || !best.d.finite || (found.d.finite && found.error < best.error)) best = found;
        }
        return best;
    }

  private:
    HEARTH_INLINE Result start(float scale, float minimum) {
        Result state;
        state.d = multiplied_half_scale(scale, block);
        state.dmin = multiplied_half_scale(minimum, block);
        state.d.finite = state.d.finite && state.dmin.finite;
        if (!state.d.finite) return state;
        for (int g = 0; g < kGroups; ++g) {
            state.scales[g] =
                static_cast<int>(round_within(fits[g].scale * inverse_of(state.d.value), 0, kMost));
            state.minimums[g] =
                static_cast<int>(round_within(-fits[g].offset * inverse_of(state.dmin.value), 0, kMost));
        }
        choose(state);
        for (int turn = 0; turn < kTurns; ++turn) {
            Result next = state;
            if (!solve(state, next)) break;
            choose(next);
            if (!(next.error < state.error)) break;
            state = next;
        }
        return state;
    }

    HEARTH_INLINE bool set_halves(Result& state, float scale, float minimum) {
        state.d = half_scale(scale, block);
        state.dmin = half_scale(minimum > 0 ? minimum : 0, block);
        if (!state.dmin.finite) state.d.finite = false;
        return state.d.finite;
    }

    // Each group's scale and minimum among the neighbours of those it has.
    HEARTH_INLINE void choose(Result& state) {
        state.error = 0;
        for (int g = 0; g < kGroups; ++g) {
            Floats scales, minimums;
            for (int i = 0; i < kLanes; ++i) {
                scales[i] = static_cast<float>(state.scales[g] + kScaleChanges[i]);
                minimums[i] = static_cast<float>(state.minimums[g] + kMinimumChanges[i]);
            }
            scales = round_within(scales, 0, kMost);
            minimums = round_within(minimums, 0, kMost);
            const Floats errors = affine_errors<kGroup, kCodes>(x(g), w(g), splat(state.d.value) * scales,
                                                                splat(-state.dmin.value) * minimums);
            const int lane = lane_of_largest(-errors);
            state.scales[g] = static_cast<int>(scales[lane]);
            state.minimums[g] = static_cast<int>(minimums[lane]);
            state.error += errors[lane];
        }
    }

    // The f16 scales that fit the codes, scales and minimums of state best: two unknowns, least squares.
    HEARTH_INLINE bool solve(const Result& state, Result& next) {
        float aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
        for (int g = 0; g < kGroups; ++g) {
            const auto s = static_cast<float>(state.scales[g]), m = static_cast<float>(state.minimums[g]);
            AffineSums& group = sums[g];
            code_sums<kGroup, kCodes>(x(g), w(g), inverse_of(state.d.value * s), -state.dmin.value * m,
                                      group);
            aa += s * s * group.qq;
            ab += s * m * group.q;
            bb += m * m * group.w;
            ax += s * group.xq;
            bx += m * group.x;
        }
        const float determinant = aa * bb - ab * ab;
        if (determinant > 1e-6f * aa * bb)
            return set_halves(next, (bb * ax - ab * bx) / determinant, (ab * ax - aa * bx) / determinant);
        return aa > 0 && set_halves(next, ax / aa, state.dmin.value);
    }
};

}  // namespace
}  // namespace hearth

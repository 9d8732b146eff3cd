// Elementary functions on vectors. Polynomials are Chebyshev fits made in 40-digit arithmetic; each comment
// names the largest error of the fit, to which float32 rounding adds.

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

constexpr float kInfinity = __builtin_inff();

// e^x. x = n ln 2 + r with |r| <= ln 2 / 2; e^r - 1 - r by a polynomial (7.8e-9). Underflows to 0 (through
// subnormals), overflows to infinity, keeps NaN.
inline Floats exponential(Floats x) {
    // 1.5 * 2^23: adding it rounds to an integer, which then sits in the low bits of the sum.
    constexpr float kMagic = 12582912.0f;
    x = maximum(splat(-150.0f), minimum(splat(130.0f), x));
    const Floats t = fma(x, splat(1.44269504089f), splat(kMagic));
    const Floats n = t - splat(kMagic);
    // ln 2 in two parts; n times the first is exact.
    const Floats r = fma(n, splat(-1.42860677e-6f), fma(n, splat(-0.693145751953125f), x));
    Floats p = fma(splat(0.00139261835877f), r, splat(0.00836317905272f));
    p = fma(p, r, splat(0.0416665546172f));
    p = fma(p, r, splat(0.166665769897f));
    p = fma(p, r, splat(0.5f));
    p = fma(p, r * r, r) + splat(1.0f);
    return scale_by_power(p, t, kMagic);
}

inline float exponential(float x) {
    float lanes[kWidth];
    store(lanes, exponential(splat(x)));
    return lanes[0];
}

// 2^x for x <= 0, for ratios of its results: the polynomial is the best one (7.5e-8) divided by its value at
// 0, so that 2^0 is 1 and all the rest is too small by up to 1.6e-7. -infinity gives 0, NaN stays.
inline Floats power_of_two(Floats x) {
    constexpr float kMagic = 12582912.0f;
    x = maximum(splat(kLeastPower), x);
    const Floats t = x + splat(kMagic);
    const Floats r = x - (t - splat(kMagic));
    Floats p = fma(splat(0.00132764712165f), r, splat(0.00967554063772f));
    p = fma(p, r, splat(0.0555071287514f));
    p = fma(p, r, splat(0.240221180027f));
    p = fma(p, r, splat(0.693146917398f));
    p = fma(p, r, splat(1.0f));
    return scale_down_by_power(p, t, kMagic);
}

inline float power_of_two(float x) {
    float lanes[kWidth];
    store(lanes, power_of_two(splat(x)));
    return lanes[0];
}

// e^x - 1. Near 0 by the polynomial of exponential without its 1, so that nothing cancels.
inline Floats exponential_less_one(Floats x) {
    Floats p = fma(splat(0.00139261835877f), x, splat(0.00836317905272f));
    p = fma(p, x, splat(0.0416665546172f));
    p = fma(p, x, splat(0.166665769897f));
    p = fma(p, x, splat(0.5f));
    const Floats near = fma(p, x * x, x);
    return select(less(absolute(x), splat(0.34f)), near, exponential(x) - splat(1.0f));
}

// tanh: x + x^3 P(x^2) (1.7e-8) where |x| < 0.625, else 1 - 2 / (e^2|x| + 1) with x's sign.
inline Floats hyperbolic_tangent(Floats x) {
    const Floats a = absolute(x);
    const Floats u = x * x;
    Floats p = fma(splat(-0.00609671416591f), u, splat(0.0209971789991f));
    p = fma(p, u, splat(-0.0538509095785f));
    p = fma(p, u, splat(0.13332769737f));
    p = fma(p, u, splat(-0.333333289441f));
    const Floats near = fma(p * u, x, x);
    const Floats one = splat(1.0f);
    const Floats far = one - splat(2.0f) / (exponential(a + a) + one);
    return select(less(a, splat(0.625f)), near, select(less(x, splat(0.0f)), splat(0.0f) - far, far));
}

// log(1 + x) for x from 0 to 1: 2 artanh(s), s = x / (2 + x), by its series (2e-8).
inline Floats logarithm_of_one_more(Floats x) {
    const Floats s = x / (x + splat(2.0f));
    const Floats u = s * s;
    Floats p = fma(splat(2.0f / 13.0f), u, splat(2.0f / 11.0f));
    p = fma(p, u, splat(2.0f / 9.0f));
    p = fma(p, u, splat(2.0f / 7.0f));
    p = fma(p, u, splat(2.0f / 5.0f));
    p = fma(p, u, splat(2.0f / 3.0f));
    p = fma(p, u, splat(2.0f));
    return p * s;
}

// The normal distribution function: for a = |x|, Phi(-a) = e^(-a^2/2) t Q(t) with t = 1 / (1 + 0.3 a)
// (relative 2e-8).
inline Floats normal_distribution(Floats x) {
    const Floats a = absolute(x);
    const Floats one = splat(1.0f);
    const Floats t = one / fma(a, splat(0.3f), one);
    Floats q = fma(splat(-0.0210099472432f), t, splat(0.11451493013f));
    q = fma(q, t, splat(-0.233037052464f));
    q = fma(q, t, splat(0.198096924393f));
    q = fma(q, t, splat(-0.0845422796923f));
    q = fma(q, t, splat(0.098814683659f));
    q = fma(q, t, splat(0.0775091554002f));
    q = fma(q, t, splat(0.110414280158f));
    q = fma(q, t, splat(0.119551654852f));
    q = fma(q, t, splat(0.119687648792f));
    const Floats tail = exponential(a * a * splat(-0.5f)) * t * q;
    return select(less(x, splat(0.0f)), tail, one - tail);
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE

// Transcendental functions of Vectors, by polynomials: NaN in, NaN out.
#pragma once

#include "vector.hpp"

namespace exponential {

// exp(x) = 2^n exp(r) with n whole and |r| <= ln(2) / 2. In float64 the Taylor series of exp(r), until the
// next term is below the rounding; in float32 the polynomial of degree 6 with the smallest relative error, 2e-9.
constexpr int terms = sizeof(Scalar) == 4 ? 7 : 14;
constexpr int mantissa_bits = sizeof(Scalar) == 4 ? 23 : 52;
constexpr Integer exponent_bias = sizeof(Scalar) == 4 ? 127 : 1023;
constexpr Scalar smallest = sizeof(Scalar) == 4 ? -87 : -708;
constexpr Scalar largest = sizeof(Scalar) == 4 ? 88 : 709;

// ln(2) in two parts, the first with so few bits that its product with n is exact.
constexpr Scalar ln2_high = static_cast<Scalar>(0x1.62ep-1);
constexpr Scalar ln2_low = static_cast<Scalar>(0.693147180559945309417232121458L - 0x1.62ep-1L);

constexpr Scalar coefficient(int n) {
    if constexpr (sizeof(Scalar) == 4) {
        constexpr double minimax[] = {1,           1.0000000363, 0.4999999207,  0.1666642007,
                                      0.041668226, 0.0083748240, 0.00138368341};
        return static_cast<Scalar>(minimax[n]);
    }
    long double product = 1;
    for (int factor = 2; factor <= n; ++factor) product *= factor;
    return static_cast<Scalar>(1 / product);
}

}  // namespace exponential

// e^x. Beyond what Scalar holds, the smallest or largest power that it does hold.
inline Vector exp(Vector x) {
    using namespace exponential;
    x = smallest_of(largest_of(x, all_lanes(smallest)), all_lanes(largest));
    // Adding a number whose last bit is worth 1 rounds to the nearest whole number, and leaves it, with the
    // exponent's bias, in the last bits of the sum.
    const Scalar rounder = static_cast<Scalar>(3 * (std::int64_t{1} << (mantissa_bits - 1)) + exponent_bias);
    const Vector rounded = x * static_cast<Scalar>(1.44269504088896340735992468100L) + rounder;
    const Vector whole = rounded - rounder;
    const Vector rest = (x - whole * ln2_high) - whole * ln2_low;
    Vector sum = all_lanes(coefficient(terms - 1));
#pragma GCC unroll 16
    for (int n = terms - 2; n >= 0; --n) sum = sum * rest + coefficient(n);
    // 2^n, by moving n into the exponent's bits. Of NaN any bits will do: the sum is NaN.
    IntegerVector bits;
    std::memcpy(&bits, &rounded, sizeof bits);
    bits <<= mantissa_bits;
    Vector scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

// 1 / (1 + e^-x)
inline Vector sigmoid(Vector x) { return 1 / (1 + exp(-x)); }

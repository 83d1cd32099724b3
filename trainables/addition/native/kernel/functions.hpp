// Transcendental functions of Vectors, by polynomials: NaN in, NaN out.
#pragma once

#include "vector.hpp"

namespace exponential {

// exp(x) = 2^n exp(r) with n whole and |r| <= ln(2) / 2. Terms of the Taylor series of exp(r) until the
// next one is below the rounding of Scalar.
constexpr int terms = sizeof(Scalar) == 4 ? 8 : 14;
constexpr int mantissa_bits = sizeof(Scalar) == 4 ? 23 : 52;
constexpr Integer exponent_bias = sizeof(Scalar) == 4 ? 127 : 1023;
constexpr Scalar smallest = sizeof(Scalar) == 4 ? -87 : -708;
constexpr Scalar largest = sizeof(Scalar) == 4 ? 88 : 709;

// ln(2) in two parts, the first with so few bits that its product with n is exact.
constexpr Scalar ln2_high = static_cast<Scalar>(0x1.62ep-1);
constexpr Scalar ln2_low = static_cast<Scalar>(0.693147180559945309417232121458L - 0x1.62ep-1L);

constexpr Scalar inverse_factorial(int n) {
    long double product = 1;
    for (int factor = 2; factor <= n; ++factor) product *= factor;
    return static_cast<Scalar>(1 / product);
}

}  // namespace exponential

// e^x. Beyond what Scalar holds, the smallest or largest power that it does hold.
inline Vector exp(Vector x) {
    using namespace exponential;
    // Comparisons with NaN are false, so NaN goes through.
    x = x < all_lanes(smallest) ? all_lanes(smallest) : x;
    x = x > all_lanes(largest) ? all_lanes(largest) : x;
    // Adding and taking away a number whose last bit is worth 1 rounds to the nearest whole number.
    const Scalar rounder = static_cast<Scalar>(3 * (std::int64_t{1} << (mantissa_bits - 1)));
    const Vector whole = (x * static_cast<Scalar>(1.44269504088896340735992468100L) + rounder) - rounder;
    const Vector rest = (x - whole * ln2_high) - whole * ln2_low;
    Vector sum = all_lanes(inverse_factorial(terms - 1));
#pragma GCC unroll 16
    for (int n = terms - 2; n >= 0; --n) sum = sum * rest + inverse_factorial(n);
    // 2^n, by writing n into the exponent's bits. Of NaN any bits will do: the sum is NaN.
    const IntegerVector power = __builtin_convertvector(whole, IntegerVector);
    const IntegerVector bits = (power + exponent_bias) << mantissa_bits;
    Vector scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

// 1 / (1 + e^-x)
inline Vector sigmoid(Vector x) { return 1 / (1 + exp(-x)); }

// Of NaN and a number it may be the number: what is subtracted from it afterwards is still NaN.
inline Vector largest_of(Vector a, Vector b) { return b > a ? b : a; }

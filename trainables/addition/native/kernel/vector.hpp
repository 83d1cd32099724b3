// Vectors whose lanes are samples, and what is done to them as a whole.
//
// A Vector holds one number for each of `lanes` samples. All mathematics of the kernel is written for
// one sample, on Vectors; nothing but this file knows how wide they are.
#pragma once

// GCC's scheduling before register allocation keeps loaded operands in registers. It needs more of them: with 16
// it is slower.
#if defined(__AVX512F__) && !defined(__clang__)
#pragma GCC optimize("schedule-insns", "sched-pressure")
#endif

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#ifndef PARETUNE_SCALAR
#define PARETUNE_SCALAR float
#endif

using Scalar = PARETUNE_SCALAR;
using Integer = std::conditional_t<sizeof(Scalar) == 4, std::int32_t, std::int64_t>;

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif
constexpr int lanes = vector_bytes / static_cast<int>(sizeof(Scalar));

typedef Scalar Vector __attribute__((vector_size(vector_bytes)));
typedef Integer IntegerVector __attribute__((vector_size(vector_bytes)));

constexpr int rounded_up_to_lanes(int count) { return (count + lanes - 1) / lanes * lanes; }

inline Vector all_lanes(Scalar value) { return value - Vector{}; }

inline Vector load(const Scalar* from) {
    Vector vector;
    std::memcpy(&vector, from, sizeof vector);
    return vector;
}

inline void store(Scalar* to, Vector vector) { std::memcpy(to, &vector, sizeof vector); }

inline Vector square_root(Vector x) {
    for (int lane = 0; lane < lanes; ++lane) x[lane] = std::sqrt(x[lane]);
    return x;
}

// NaN where the first is NaN: a comparison with it is false.
inline Vector largest_of(Vector a, Vector b) { return b > a ? b : a; }
inline Vector smallest_of(Vector a, Vector b) { return b < a ? b : a; }

// Arrays that grow with positions are members of the model, in the caller's workspace and not on the stack.
template <class Array>
inline void set_to_zero(Array& array) {
    std::memset(&array, 0, sizeof array);
}

// A square of numbers: tile[i][j] is lane j of Vector i.
using Tile = Vector[lanes];

namespace transposition {

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define PARETUNE_HAS_SHUFFLE
#endif
#endif

// Swap the off-diagonal halves of every 2 x 2 arrangement of step x step squares in rows i and i + step.
#ifdef PARETUNE_HAS_SHUFFLE
template <int step, std::size_t... j>
inline void swap_squares(Vector& upper, Vector& lower, std::index_sequence<j...>) {
    const Vector above = upper, below = lower;
    upper = __builtin_shufflevector(above, below, (int(j) & step ? lanes + int(j) - step : int(j))...);
    lower = __builtin_shufflevector(above, below, (int(j) & step ? lanes + int(j) : int(j) + step)...);
}
#else
template <int step, std::size_t... j>
inline void swap_squares(Vector& upper, Vector& lower, std::index_sequence<j...>) {
    Scalar above[lanes], below[lanes];
    store(above, upper);
    store(below, lower);
    for (int lane = 0; lane < lanes; ++lane)
        if (lane & step) std::swap(above[lane], below[lane - step]);
    upper = load(above);
    lower = load(below);
}
#endif

template <int step>
inline void stage(Tile& tile) {
    if constexpr (step > 0) {
#pragma GCC unroll 16
        for (int row = 0; row < lanes; ++row)
            if (!(row & step))
                swap_squares<step>(tile[row], tile[row + step], std::make_index_sequence<lanes>{});
        stage<step / 2>(tile);
    }
}

}  // namespace transposition

// Exchange rows and lanes: what was lane j of Vector i becomes lane i of Vector j (Eklundh, 1972).
inline void transpose(Tile& tile) { transposition::stage<lanes / 2>(tile); }

// The sum of all lanes, in an order that is always the same.
inline Scalar sum_of_lanes(Vector x) {
    Scalar values[lanes];
    store(values, x);
    for (int half = lanes / 2; half > 0; half /= 2)
        for (int lane = 0; lane < half; ++lane) values[lane] += values[lane + half];
    return values[0];
}

// The sum of all lanes of each of `count` Vectors, in the order of sum_of_lanes().
inline void sums_of_lanes(const Vector* vectors, int count, Scalar* sums) {
    int first = 0;
    for (; first + lanes <= count; first += lanes) {
        Tile tile;
        std::memcpy(&tile, vectors + first, sizeof tile);
        transpose(tile);
#pragma GCC unroll 4
        for (int half = lanes / 2; half > 0; half /= 2)
#pragma GCC unroll 8
            for (int row = 0; row < half; ++row) tile[row] += tile[row + half];
        store(sums + first, tile[0]);
    }
    for (; first < count; ++first) sums[first] = sum_of_lanes(vectors[first]);
}

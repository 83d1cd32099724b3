// Norms: y = w * (x - m) / s + b.
//   LayerNorm: m the mean of x, s^2 its variance + epsilon.
//   RMSNorm:   m = 0, s^2 the mean square of x + epsilon, and no b.
#pragma once

#include "vector.hpp"

enum class NormKind { none, layernorm, rmsnorm };

constexpr Scalar norm_epsilon = static_cast<Scalar>(1e-6);

// Normalise one vector x of some width in place, and return 1 / s.
template <bool centred, int width>
inline Vector normalise(const Vector* x, Vector* normalised) {
    Vector mean{}, square{};
    if constexpr (centred) {
        for (int i = 0; i < width; ++i) mean += x[i];
        mean *= static_cast<Scalar>(1) / width;
    }
    for (int i = 0; i < width; ++i) {
        normalised[i] = x[i] - mean;
        square += normalised[i] * normalised[i];
    }
    const Vector inverse = 1 / square_root(square * (static_cast<Scalar>(1) / width) + norm_epsilon);
    for (int i = 0; i < width; ++i) normalised[i] *= inverse;
    return inverse;
}

// With h = (x - m) / s and dh the gradient by it:
//   LayerNorm: dx = (dh - mean(dh) - h mean(h dh)) / s
//   RMSNorm:   dx = (dh            - h mean(h dh)) / s
// dh is given as weight * dy, and dx added to.
template <bool centred, int width>
inline void normalise_backward(const Scalar* weight, const Vector* normalised, Vector inverse,
                               const Vector* dy, Vector* dx) {
    Vector mean{}, dot{};
    for (int i = 0; i < width; ++i) {
        const Vector dh = weight[i] * dy[i];
        if constexpr (centred) mean += dh;
        dot += normalised[i] * dh;
    }
    mean *= static_cast<Scalar>(1) / width;
    dot *= static_cast<Scalar>(1) / width;
    for (int i = 0; i < width; ++i)
        dx[i] += (weight[i] * dy[i] - mean - normalised[i] * dot) * inverse;
}

// A norm of n vectors, with what its way back needs.
template <NormKind kind, int n, int width>
struct Norm {
    static constexpr bool centred = kind == NormKind::layernorm;

    Vector normalised[n][width];
    Vector inverse[n];
    Vector output[n][width];

    void forward(const Scalar* weight, const Scalar* bias, const Vector (*x)[width]) {
        for (int p = 0; p < n; ++p) {
            inverse[p] = normalise<centred, width>(x[p], normalised[p]);
            for (int i = 0; i < width; ++i) {
                output[p][i] = weight[i] * normalised[p][i];
                if constexpr (centred) output[p][i] += bias[i];
            }
        }
    }

    void backward(const Scalar* weight, const Vector (*dy)[width], Vector (*dx)[width], Vector* d_weight,
                  Vector* d_bias) const {
        for (int p = 0; p < n; ++p) {
            normalise_backward<centred, width>(weight, normalised[p], inverse[p], dy[p], dx[p]);
            for (int i = 0; i < width; ++i) {
                d_weight[i] += normalised[p][i] * dy[p][i];
                if constexpr (centred) d_bias[i] += dy[p][i];
            }
        }
    }
};

// Without a norm: y = x.
template <int n, int width>
struct Norm<NormKind::none, n, width> {
    Vector output[n][width];

    void forward(const Scalar*, const Scalar*, const Vector (*x)[width]) {
        std::memcpy(output, x, sizeof output);
    }

    void backward(const Scalar*, const Vector (*dy)[width], Vector (*dx)[width], Vector*, Vector*) const {
        for (int p = 0; p < n; ++p)
            for (int i = 0; i < width; ++i) dx[p][i] += dy[p][i];
    }
};

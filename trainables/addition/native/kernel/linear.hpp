// y = W x + b, for n vectors x at a time.
#pragma once

#include "vector.hpp"

// y[p][o] = bias[o] + sum over i of weight[o][i] x[p][i]; without a bias pass nullptr.
template <int n, int outputs, int inputs>
void linear_forward(const Scalar* weight, const Scalar* bias, const Vector (*x)[inputs],
                    Vector (*y)[outputs]) {
    in_stretches<outputs, 8>([&]<int count>(int first) {
        for (int p = 0; p < n; ++p) {
            Vector sum[count];
            for (int o = 0; o < count; ++o) sum[o] = bias ? all_lanes(bias[first + o]) : Vector{};
            for (int i = 0; i < inputs; ++i)
#pragma GCC unroll 8
                for (int o = 0; o < count; ++o) sum[o] += weight[(first + o) * inputs + i] * x[p][i];
#pragma GCC unroll 8
            for (int o = 0; o < count; ++o) y[p][first + o] = sum[o];
        }
    });
}

// Given dy, the loss's gradient by y, add to the gradients by x, weight and bias:
//   dx[p][i]        += sum over o of weight[o][i] dy[p][o]
//   d_weight[o][i]  += sum over p of dy[p][o] x[p][i]
//   d_bias[o]       += sum over p of dy[p][o]
// The gradients by weight and bias stay apart for every lane.
template <int n, int outputs, int inputs>
void linear_backward(const Scalar* weight, const Vector (*x)[inputs], const Vector (*dy)[outputs],
                     Vector (*dx)[inputs], Vector* d_weight, Vector* d_bias) {
    in_stretches<inputs, 8>([&]<int count>(int first) {
        for (int p = 0; p < n; ++p) {
            Vector sum[count];
#pragma GCC unroll 8
            for (int i = 0; i < count; ++i) sum[i] = dx[p][first + i];
            for (int o = 0; o < outputs; ++o)
#pragma GCC unroll 8
                for (int i = 0; i < count; ++i) sum[i] += weight[o * inputs + first + i] * dy[p][o];
#pragma GCC unroll 8
            for (int i = 0; i < count; ++i) dx[p][first + i] = sum[i];
        }
    });
    in_stretches<outputs, 4>([&]<int rows>(int first_output) {
        in_stretches<inputs, 4>([&]<int columns>(int first_input) {
            Vector sum[rows][columns] = {};
            for (int p = 0; p < n; ++p)
#pragma GCC unroll 4
                for (int o = 0; o < rows; ++o)
#pragma GCC unroll 4
                    for (int i = 0; i < columns; ++i)
                        sum[o][i] += dy[p][first_output + o] * x[p][first_input + i];
#pragma GCC unroll 4
            for (int o = 0; o < rows; ++o)
#pragma GCC unroll 4
                for (int i = 0; i < columns; ++i)
                    d_weight[(first_output + o) * inputs + first_input + i] += sum[o][i];
        });
    });
    if (d_bias)
        for (int p = 0; p < n; ++p)
            for (int o = 0; o < outputs; ++o) d_bias[o] += dy[p][o];
}

// y = W x + b, for n vectors x at a time.
#pragma once

#include "tile.hpp"

// y[p][o] = bias[o] + sum over i of weight[o][i] x[p][i]; without a bias pass nullptr.
template <int n, int outputs, int inputs>
void linear_forward(const Scalar* weight, const Scalar* bias, const Vector (*x)[inputs],
                    Vector (*y)[outputs]) {
    in_tiles<n, outputs>([&]<int rows, int columns>(int p, int o) {
        Vector sum[rows][columns];
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < columns; ++c) sum[r][c] = bias ? all_lanes(bias[o + c]) : Vector{};
        add_products(
            sum, 0, inputs, [&](int r, int i) { return x[p + r][i]; },
            [&](int i, int c) { return weight[(o + c) * inputs + i]; });
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < columns; ++c) y[p + r][o + c] = sum[r][c];
    });
}

// Whether a gradient replaces what is there, or is added to it.
enum class Gradient { written, added };

// Given dy, the loss's gradient by y, write or add to the gradient by x, and add to those by weight and bias:
//   dx[p][i]         = sum over o of weight[o][i] dy[p][o]
//   d_weight[o][i]  += sum over p of dy[p][o] x[p][i]
//   d_bias[o]       += sum over p of dy[p][o]
// The gradients by weight and bias stay apart for every lane.
template <Gradient by_x, int n, int outputs, int inputs>
void linear_backward(const Scalar* weight, const Vector (*x)[inputs], const Vector (*dy)[outputs],
                     Vector (*dx)[inputs], Vector* d_weight, Vector* d_bias) {
    in_tiles<n, inputs>([&]<int rows, int columns>(int p, int i) {
        Vector sum[rows][columns];
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < columns; ++c)
                sum[r][c] = by_x == Gradient::added ? dx[p + r][i + c] : Vector{};
        add_products(
            sum, 0, outputs, [&](int r, int o) { return dy[p + r][o]; },
            [&](int o, int c) { return weight[o * inputs + i + c]; });
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < columns; ++c) dx[p + r][i + c] = sum[r][c];
    });
    in_tiles<outputs, inputs>([&]<int rows, int columns>(int o, int i) {
        Vector sum[rows][columns] = {};
        add_products(
            sum, 0, n, [&](int r, int p) { return dy[p][o + r]; }, [&](int p, int c) { return x[p][i + c]; });
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < columns; ++c) d_weight[(o + r) * inputs + i + c] += sum[r][c];
    });
    if (d_bias)
        in_stretches<outputs, tile_columns>([&]<int columns>(int o) {
            Vector sum[columns] = {};
            for (int p = 0; p < n; ++p)
#pragma GCC unroll 8
                for (int c = 0; c < columns; ++c) sum[c] += dy[p][o + c];
            for (int c = 0; c < columns; ++c) d_bias[o + c] += sum[c];
        });
}

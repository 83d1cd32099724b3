// The feed-forward layer: y = W_down inner + b_down, for n vectors x, where
//   inner = activation(W_up x + b_up), or, gated,
//   inner = activation(W_gate x + b_gate) (W_up x + b_up).
#pragma once

#include "linear.hpp"
#include "parameters.hpp"

template <int n>
struct FeedForward {
    // What the activation made of its argument; gated, of the gate's.
    Vector value[n][d_ff], slope[n][d_ff];
    // Gated: the up projection, and its product with the activation's value.
    Vector up[is_gated ? n : 1][d_ff], product[is_gated ? n : 1][d_ff];
    Vector d_inner[n][d_ff], d_up[is_gated ? n : 1][d_ff];

    void forward(const LayerParameters<const Scalar>& w, const Vector (*x)[d_model], Vector (*y)[d_model]) {
        if constexpr (is_gated) {
            linear_forward<n, d_ff, d_model>(w.up, w.up_bias, x, up);
            linear_forward<n, d_ff, d_model>(w.gate, w.gate_bias, x, value);
        } else {
            linear_forward<n, d_ff, d_model>(w.up, w.up_bias, x, value);
        }
        for (int p = 0; p < n; ++p)
            for (int i = 0; i < d_ff; ++i) {
                const ValueAndSlope activated = Activation::at(value[p][i]);
                value[p][i] = activated.value;
                slope[p][i] = activated.slope;
                if constexpr (is_gated) product[p][i] = activated.value * up[p][i];
            }
        linear_forward<n, d_model, d_ff>(w.down, w.down_bias, inner(), y);
    }

    // Write the gradient by x, and add to those by the weights.
    void backward(const LayerParameters<const Scalar>& w, const Vector (*x)[d_model],
                  const Vector (*dy)[d_model], Vector (*dx)[d_model], const LayerParameters<Vector>& d) {
        linear_backward<Gradient::written, n, d_model, d_ff>(w.down, inner(), dy, d_inner, d.down,
                                                             d.down_bias);
        if constexpr (is_gated) {
            for (int p = 0; p < n; ++p)
                for (int i = 0; i < d_ff; ++i) {
                    d_up[p][i] = d_inner[p][i] * value[p][i];
                    d_inner[p][i] *= up[p][i] * slope[p][i];
                }
            linear_backward<Gradient::written, n, d_ff, d_model>(w.up, x, d_up, dx, d.up, d.up_bias);
            linear_backward<Gradient::added, n, d_ff, d_model>(w.gate, x, d_inner, dx, d.gate,
                                                               d.gate_bias);
        } else {
            for (int p = 0; p < n; ++p)
                for (int i = 0; i < d_ff; ++i) d_inner[p][i] *= slope[p][i];
            linear_backward<Gradient::written, n, d_ff, d_model>(w.up, x, d_inner, dx, d.up, d.up_bias);
        }
    }

private:
    const Vector (*inner() const)[d_ff] {
        if constexpr (is_gated) return product;
        else return value;
    }
};

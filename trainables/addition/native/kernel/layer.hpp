// A pre-norm block for its last `queries` positions: attention and feed-forward, each added to x.
#pragma once

#include "attention.hpp"
#include "feed_forward.hpp"
#include "projection.hpp"

template <int queries>
struct Layer {
    Attention<queries> attention;
    Vector middle[queries][d_model];
    Norm<norm_kind, queries, d_model> norm;
    FeedForward<queries> feed_forward;
    Vector output[queries][d_model];
    Vector d_norm[queries][d_model], d_read[queries][attention_width];

    void forward(const LayerParameters<const Scalar>& w, const Input& input) {
        attention.forward(input.query, input.key_value);
        linear_forward<queries, d_model, attention_width>(w.output, nullptr, attention.read, middle);
        add(input.x, middle);
        norm.forward(w.ffn_norm_weight, w.ffn_norm_bias, middle);
        feed_forward.forward(w, norm.output, output);
        add(middle, output);
    }

    // `gradient` is that by the output, and becomes that by x. The gradients by queries, keys and
    // values are written, those by weights added to.
    void backward(const LayerParameters<const Scalar>& w, const Input& input, Vector (*gradient)[d_model],
                  Vector (*d_query)[attention_width], Vector (*d_key_value)[2 * attention_width],
                  const LayerParameters<Vector>& d) {
        feed_forward.backward(w, norm.output, gradient, d_norm, d);
        norm.backward(w.ffn_norm_weight, d_norm, gradient, d.ffn_norm_weight, d.ffn_norm_bias);
        linear_backward<Gradient::written, queries, d_model, attention_width>(
            w.output, attention.read, gradient, d_read, d.output, nullptr);
        attention.backward(input.key_value, d_read, d_query, d_key_value);
    }

private:
    static void add(const Vector (*x)[d_model], Vector (*to)[d_model]) {
        for (int p = 0; p < queries; ++p)
            for (int i = 0; i < d_model; ++i) to[p][i] += x[p][i];
    }
};

// From the residual stream to queries, keys and values: norm, matrices, norm of each head, rotation.
#pragma once

#include "linear.hpp"
#include "norm.hpp"
#include "parameters.hpp"
#include "rotary.hpp"

// RMSNorm of each head's features, in place, for n vectors of which `width` numbers belong to one
// position and the heads come first.
template <int n, int width>
struct HeadNorm {
    Vector normalised[n][attention_width];
    Vector inverse[n][heads];

    void forward(const Scalar* weight, Vector (*x)[width]) {
        for (int p = 0; p < n; ++p)
            for (int head = 0; head < heads; ++head) {
                Vector* features = x[p] + head * head_width;
                Vector* kept = normalised[p] + head * head_width;
                inverse[p][head] = normalise<false, head_width>(features, kept);
                for (int i = 0; i < head_width; ++i) features[i] = weight[i] * kept[i];
            }
    }

    // Turn the gradient by the output into that by the input, in place.
    void backward(const Scalar* weight, Vector (*gradient)[width], Vector* d_weight) const {
        for (int p = 0; p < n; ++p)
            for (int head = 0; head < heads; ++head) {
                Vector* dy = gradient[p] + head * head_width;
                const Vector* kept = normalised[p] + head * head_width;
                Vector dx[head_width] = {};
                normalise_backward<false, head_width>(weight, kept, inverse[p][head], dy, dx);
                for (int i = 0; i < head_width; ++i) {
                    d_weight[i] += kept[i] * dy[i];
                    dy[i] = dx[i];
                }
            }
    }
};

// What a layer reads: of the positions that it serves the residual stream and the queries, of all that they
// may attend to the keys, first, and values.
struct Input {
    const Vector (*x)[d_model];
    const Vector (*query)[attention_width];
    const Vector (*key_value)[2 * attention_width];
};

// Queries are computed for the last `queries` positions, keys and values for all.
template <int queries>
struct Projection {
    static constexpr int first_query = length - queries;

    Norm<norm_kind, length, d_model> norm;
    Vector query[queries][attention_width];
    Vector key_value[length][2 * attention_width];
    HeadNorm<has_qk_norm ? queries : 1, attention_width> query_norm;
    HeadNorm<has_qk_norm ? length : 1, 2 * attention_width> key_norm;
    Vector d_norm[length][d_model];

    // Return what the layer reads if x, given for all positions, is the residual stream before it.
    Input forward(const Parameters<const Scalar>& model, int layer, const Vector (*x)[d_model]) {
        const LayerParameters<const Scalar>& w = model.layer[layer];
        norm.forward(w.attention_norm_weight, w.attention_norm_bias, x);
        linear_forward<queries, attention_width, d_model>(w.query, nullptr, norm.output + first_query, query);
        linear_forward<length, 2 * attention_width, d_model>(w.key_value, nullptr, norm.output, key_value);
        if constexpr (has_qk_norm) {
            query_norm.forward(w.query_norm, query);
            key_norm.forward(w.key_norm, key_value);
        }
        if constexpr (turning_pairs > 0) turn_heads<Turn::forward>(model, query, key_value);
        return {x + first_query, query, key_value};
    }

    // Given the gradients by queries, and by keys and values, which are used up, add to those by x and by
    // the weights.
    void backward(const Parameters<const Scalar>& model, int layer, Vector (*d_query)[attention_width],
                  Vector (*d_key_value)[2 * attention_width], Vector (*dx)[d_model],
                  const LayerParameters<Vector>& d) {
        const LayerParameters<const Scalar>& w = model.layer[layer];
        if constexpr (turning_pairs > 0) turn_heads<Turn::backward>(model, d_query, d_key_value);
        if constexpr (has_qk_norm) {
            query_norm.backward(w.query_norm, d_query, d.query_norm);
            key_norm.backward(w.key_norm, d_key_value, d.key_norm);
        }
        linear_backward<Gradient::written, length, 2 * attention_width, d_model>(
            w.key_value, norm.output, d_key_value, d_norm, d.key_value, nullptr);
        linear_backward<Gradient::added, queries, attention_width, d_model>(
            w.query, norm.output + first_query, d_query, d_norm + first_query, d.query, nullptr);
        norm.backward(w.attention_norm_weight, d_norm, dx, d.attention_norm_weight, d.attention_norm_bias);
    }

private:
    template <Turn direction>
    static void turn_heads(const Parameters<const Scalar>& model, Vector (*of_queries)[attention_width],
                           Vector (*of_keys)[2 * attention_width]) {
        for (int t = 0; t < length; ++t) {
            const Scalar* cosines = model.cosines + t * turning_pairs;
            const Scalar* sines = model.sines + t * turning_pairs;
            for (int feature = 0; feature < attention_width; feature += head_width) {
                turn<direction, turning_pairs>(cosines, sines, of_keys[t] + feature);
                if (t >= first_query)
                    turn<direction, turning_pairs>(cosines, sines, of_queries[t - first_query] + feature);
            }
        }
    }
};

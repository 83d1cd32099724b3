// The whole model, for one block of samples at a time: forward, loss and backward while all of it is in
// the cache.
#pragma once

#include "cross_entropy.hpp"
#include "layer.hpp"
#include "token_rows.hpp"

constexpr int inner_layers = layers - 1;
// Only the answers are asked for in the last layer; those below it serve all positions.
constexpr int first_layer_queries = layers == 1 ? answers : length;
constexpr NormKind final_norm_kind = has_final_norm ? norm_kind : NormKind::none;

class Model {
public:
    // Weights as Parameters lay them out.
    void prepare(const Scalar* weights) {
        weights_ = weights;
        rows_.forward(Parameters<const Scalar>(weights));
    }

    // Compute the logits of the samples in the lanes, whose tokens are given per position and lane.
    void forward(const int (*tokens)[lanes]) {
        const Parameters<const Scalar> w(weights_);
        rows_.gather(tokens, first_key_value_, first_query_, first_x_);
        const Vector (*x)[d_model] = first_x_;
        const Vector (*query)[attention_width] = first_query_;
        const Vector (*key_value)[2 * attention_width] = first_key_value_;
        if constexpr (inner_layers > 0) {
            for (int layer = 0; layer < inner_layers; ++layer) {
                inner_[layer].forward(w.layer[layer], x, query, key_value);
                x = inner_[layer].output;
                if (layer + 1 < inner_layers) {
                    inner_projection_[layer + 1].forward(w, layer + 1, x);
                    query = inner_projection_[layer + 1].query;
                    key_value = inner_projection_[layer + 1].key_value;
                } else {
                    last_projection_.forward(w, layers - 1, x);
                    query = last_projection_.query;
                    key_value = last_projection_.key_value;
                    x += length - answers;
                }
            }
        }
        last_.forward(w.layer[layers - 1], x, query, key_value);
        final_norm_.forward(w.final_norm_weight, w.final_norm_bias, last_.output);
        linear_forward<answers, vocabulary, d_model>(w.head, nullptr, final_norm_.output, logits_);
    }

    const Vector (*logits() const)[vocabulary] { return logits_; }

    // Add `share` times the loss of the samples in the lanes to `loss`. The logits become its gradient.
    void loss(const IntegerVector* targets, Vector share, Vector& loss) {
        cross_entropy(logits_, targets, share, loss);
    }

    // Add the gradients of that loss to `d`; those by the rows wait for finish().
    void backward(const int (*tokens)[lanes], const Parameters<Vector>& d) {
        const Parameters<const Scalar> w(weights_);
        Vector d_final[answers][d_model] = {}, gradient[length][d_model] = {};
        linear_backward<answers, vocabulary, d_model>(w.head, final_norm_.output, logits_, d_final, d.head, nullptr);
        Vector (*d_asked)[d_model] = gradient + (length - answers);
        final_norm_.backward(w.final_norm_weight, d_final, d_asked, d.final_norm_weight, d.final_norm_bias);

        Vector d_query[length][attention_width], d_key_value[length][2 * attention_width] = {};
        if constexpr (inner_layers == 0) {
            last_.backward(w.layer[0], first_query_, first_key_value_, d_asked, d_query, d_key_value, d.layer[0]);
            rows_.scatter(tokens, d_key_value, d_query, d_asked);
        } else {
            last_.backward(w.layer[layers - 1], last_projection_.query, last_projection_.key_value, d_asked, d_query,
                           d_key_value, d.layer[layers - 1]);
            last_projection_.backward(w, layers - 1, d_query, d_key_value, gradient, d);
            for (int layer = inner_layers - 1; layer >= 0; --layer) {
                const bool is_first = layer == 0;
                std::memset(d_key_value, 0, sizeof d_key_value);
                inner_[layer].backward(w.layer[layer], is_first ? first_query_ : inner_projection_[layer].query,
                                       is_first ? first_key_value_ : inner_projection_[layer].key_value, gradient,
                                       d_query, d_key_value, d.layer[layer]);
                if (!is_first) inner_projection_[layer].backward(w, layer, d_query, d_key_value, gradient, d);
            }
            rows_.scatter(tokens, d_key_value, d_query, gradient);
        }
    }

    // Once all samples have been through: pass on what was gathered for the tokens.
    void finish(const Parameters<Vector>& d) const { rows_.backward(Parameters<const Scalar>(weights_), d); }

private:
    const Scalar* weights_;
    TokenRows<first_layer_queries> rows_;
    Vector first_key_value_[length][2 * attention_width];
    Vector first_query_[first_layer_queries][attention_width];
    Vector first_x_[first_layer_queries][d_model];
    // Of the inner layers the first one's projection is in the rows.
    Layer<length> inner_[inner_layers > 0 ? inner_layers : 1];
    Projection<length> inner_projection_[inner_layers > 0 ? inner_layers : 1];
    Projection<answers> last_projection_;
    Layer<answers> last_;
    Norm<final_norm_kind, answers, d_model> final_norm_;
    Vector logits_[answers][vocabulary];
};

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

// An array must have an element, even if none is used.
constexpr int at_least_one(int count) { return count > 0 ? count : 1; }

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
        input_[0] = rows_.gather(tokens);
        for (int layer = 0; layer < inner_layers; ++layer) {
            inner_[layer].forward(w.layer[layer], input_[layer]);
            const Vector (*x)[d_model] = inner_[layer].output;
            input_[layer + 1] = layer + 1 < inner_layers ? projection_[layer].forward(w, layer + 1, x)
                                                         : last_projection_.forward(w, layer + 1, x);
        }
        last_.forward(w.layer[layers - 1], input_[layers - 1]);
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
        set_to_zero(gradient_);
        linear_backward<Gradient::written, answers, vocabulary, d_model>(w.head, final_norm_.output, logits_,
                                                                         d_final_, d.head, nullptr);
        Vector (*d_asked)[d_model] = gradient_ + (length - answers);
        final_norm_.backward(w.final_norm_weight, d_final_, d_asked, d.final_norm_weight, d.final_norm_bias);

        last_.backward(w.layer[layers - 1], input_[layers - 1], d_asked, d_query_, d_key_value_,
                       d.layer[layers - 1]);
        for (int layer = inner_layers - 1; layer >= 0; --layer) {
            const LayerParameters<Vector>& above = d.layer[layer + 1];
            if (layer + 1 < inner_layers)
                projection_[layer].backward(w, layer + 1, d_query_, d_key_value_, gradient_, above);
            else
                last_projection_.backward(w, layer + 1, d_query_, d_key_value_, gradient_, above);
            inner_[layer].backward(w.layer[layer], input_[layer], gradient_, d_query_, d_key_value_,
                                   d.layer[layer]);
        }
        rows_.scatter(tokens, d_key_value_, d_query_, gradient_ + (length - first_layer_queries));
    }

    // Once all samples have been through: pass on what was gathered for the tokens.
    void finish(const Parameters<Vector>& d) { rows_.backward(Parameters<const Scalar>(weights_), d); }

private:
    const Scalar* weights_;
    TokenRows<first_layer_queries> rows_;
    Input input_[layers];
    // projection_[i] is between inner_[i] and inner_[i + 1]; before the first layer there are the rows.
    Layer<length> inner_[at_least_one(inner_layers)];
    Projection<length> projection_[at_least_one(inner_layers - 1)];
    Projection<answers> last_projection_;
    Layer<answers> last_;
    Norm<final_norm_kind, answers, d_model> final_norm_;
    Vector logits_[answers][vocabulary];
    Vector d_final_[answers][d_model];
    // By the stream, the queries and the keys and values of the layer that backward() is at.
    Vector gradient_[length][d_model], d_query_[length][attention_width];
    Vector d_key_value_[length][2 * attention_width];
};

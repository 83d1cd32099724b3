// Where each weight is: one flat array, in the order in which native/weights.py writes it.
#pragma once

#include <cassert>

#include "shape.hpp"

constexpr int attention_width = heads * head_width;
constexpr int norm_weights = norm_kind == NormKind::none ? 0 : d_model;
constexpr int norm_biases = norm_kind == NormKind::layernorm ? d_model : 0;

constexpr int layer_weights = 2 * (norm_weights + norm_biases) + 4 * attention_width * d_model +
                              (has_qk_norm ? 2 * head_width : 0) + (is_gated ? 3 : 2) * d_ff * d_model +
                              (has_ffn_bias ? (is_gated ? 2 : 1) * d_ff + d_model : 0);
constexpr int weight_count = 2 * vocabulary * d_model + (adds_positions ? length * d_model : 0) +
                             2 * length * turning_pairs + layers * layer_weights +
                             (has_final_norm ? norm_weights + norm_biases : 0);

// T is Scalar for weights, and Vector for gradients, which stay apart for every lane until the end.
template <class T>
struct LayerParameters {
    T *attention_norm_weight, *attention_norm_bias;
    T *query, *key_value;         // (attention_width, d_model), (2 attention_width, d_model)
    T *query_norm, *key_norm;     // (head_width), the same for every head
    T* output;                    // (d_model, attention_width)
    T *ffn_norm_weight, *ffn_norm_bias;
    T *up, *up_bias;              // (d_ff, d_model), (d_ff)
    T *gate, *gate_bias;          // the same
    T *down, *down_bias;          // (d_model, d_ff), (d_model)
};

template <class T>
struct Parameters {
    T* embedding;                 // (vocabulary, d_model)
    T* positions;                 // (length, d_model), added to the embedding
    T *cosines, *sines;           // (length, turning_pairs); never learned, their gradient stays 0
    LayerParameters<T> layer[layers];
    T *final_norm_weight, *final_norm_bias;
    T* head;                      // (vocabulary, d_model)

    explicit Parameters(T* begin) {
        T* next = begin;
        // A part that the shape does not have is null.
        const auto take = [&next](int count) {
            T* part = count > 0 ? next : nullptr;
            next += count;
            return part;
        };
        embedding = take(vocabulary * d_model);
        positions = take(adds_positions ? length * d_model : 0);
        cosines = take(length * turning_pairs);
        sines = take(length * turning_pairs);
        for (LayerParameters<T>& l : layer) {
            l.attention_norm_weight = take(norm_weights);
            l.attention_norm_bias = take(norm_biases);
            l.query = take(attention_width * d_model);
            l.key_value = take(2 * attention_width * d_model);
            l.query_norm = take(has_qk_norm ? head_width : 0);
            l.key_norm = take(has_qk_norm ? head_width : 0);
            l.output = take(d_model * attention_width);
            l.ffn_norm_weight = take(norm_weights);
            l.ffn_norm_bias = take(norm_biases);
            l.up = take(d_ff * d_model);
            l.up_bias = take(has_ffn_bias ? d_ff : 0);
            l.gate = take(is_gated ? d_ff * d_model : 0);
            l.gate_bias = take(is_gated && has_ffn_bias ? d_ff : 0);
            l.down = take(d_model * d_ff);
            l.down_bias = take(has_ffn_bias ? d_model : 0);
        }
        final_norm_weight = take(has_final_norm ? norm_weights : 0);
        final_norm_bias = take(has_final_norm ? norm_biases : 0);
        head = take(vocabulary * d_model);
        assert(next - begin == weight_count);
    }
};


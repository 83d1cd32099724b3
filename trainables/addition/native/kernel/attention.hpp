// Causal attention of the last positions to all before them.
#pragma once

#include "functions.hpp"
#include "parameters.hpp"

// For a query q and the keys k[j] and values v[j] of positions j up to its own, in each head:
//   score[j]  = q . k[j] / sqrt(head_width)
//   weight[j] = exp(score[j]) / sum of exp(score)
//   read      = sum of weight[j] v[j]
template <int queries>
struct Attention {
    static constexpr int first_query = length - queries;

    Vector weight[heads][queries][length];
    Vector read[queries][attention_width];

    void forward(const Vector (*query)[attention_width], const Vector (*key_value)[2 * attention_width]) {
        for (int head = 0; head < heads; ++head)
            for (int p = 0; p < queries; ++p) {
                const int feature = head * head_width, visible = first_query + p + 1;
                Vector* weights = weight[head][p];
                Vector scaled[head_width];
                for (int i = 0; i < head_width; ++i) scaled[i] = query[p][feature + i] * scale();
                Vector best = all_lanes(-INFINITY);
                for (int j = 0; j < visible; ++j) {
                    Vector score{};
                    for (int i = 0; i < head_width; ++i) score += scaled[i] * key_value[j][feature + i];
                    weights[j] = score;
                    best = largest_of(best, score);
                }
                Vector sum{};
                for (int j = 0; j < visible; ++j) {
                    weights[j] = exp(weights[j] - best);
                    sum += weights[j];
                }
                const Vector inverse = 1 / sum;
                for (int j = 0; j < visible; ++j) weights[j] *= inverse;
                in_stretches<head_width, 8>([&]<int count>(int first) {
                    Vector total[count] = {};
                    for (int j = 0; j < visible; ++j)
#pragma GCC unroll 8
                        for (int i = 0; i < count; ++i)
                            total[i] += weights[j] * key_value[j][attention_width + feature + first + i];
#pragma GCC unroll 8
                    for (int i = 0; i < count; ++i) read[p][feature + first + i] = total[i];
                });
            }
    }

    //   d_weight[j] = d_read . v[j]
    //   d_score[j]  = weight[j] (d_weight[j] - d_read . read)
    //   d_q         = sum of d_score[j] k[j] / sqrt(head_width)
    //   d_k[j]     += d_score[j] q / sqrt(head_width)
    //   d_v[j]     += weight[j] d_read
    // The gradient by queries is written, the one by keys and values added to.
    void backward(const Vector (*query)[attention_width], const Vector (*key_value)[2 * attention_width],
                  const Vector (*d_read)[attention_width], Vector (*d_query)[attention_width],
                  Vector (*d_key_value)[2 * attention_width]) const {
        for (int head = 0; head < heads; ++head)
            for (int p = 0; p < queries; ++p) {
                const int feature = head * head_width, visible = first_query + p + 1;
                const Vector* weights = weight[head][p];
                Vector scaled[head_width], d_out[head_width], total[head_width] = {}, dot{};
                for (int i = 0; i < head_width; ++i) {
                    scaled[i] = query[p][feature + i] * scale();
                    d_out[i] = d_read[p][feature + i];
                    dot += d_out[i] * read[p][feature + i];
                }
                for (int j = 0; j < visible; ++j) {
                    const Vector *key = key_value[j] + feature, *value = key + attention_width;
                    Vector *d_key = d_key_value[j] + feature, *d_value = d_key + attention_width;
                    Vector d_weight{};
                    for (int i = 0; i < head_width; ++i) d_weight += d_out[i] * value[i];
                    const Vector d_score = weights[j] * (d_weight - dot);
                    for (int i = 0; i < head_width; ++i) {
                        total[i] += d_score * key[i];
                        d_key[i] += d_score * scaled[i];
                        d_value[i] += weights[j] * d_out[i];
                    }
                }
                for (int i = 0; i < head_width; ++i) d_query[p][feature + i] = total[i] * scale();
            }
    }

private:
    static Scalar scale() { return 1 / std::sqrt(static_cast<Scalar>(head_width)); }
};

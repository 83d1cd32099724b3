// The loss of the answer tokens: -log softmax(logits)[target].
#pragma once

#include "functions.hpp"
#include "parameters.hpp"

// Add `share` times the loss of every answer token to `loss`, and turn the logits into its gradient:
//   d_logit[v] = share (softmax(logits)[v] - (v is the target))
// Targets are given per answer and lane.
inline void cross_entropy(Vector (*logits)[vocabulary], const IntegerVector* target, Vector share,
                          Vector& loss) {
    // A logarithm costs as much as all the rest, so products of a few sums have one together; a sum is
    // between 1 and the vocabulary's size.
    constexpr int factors = 8;
    Vector product = all_lanes(1);
    for (int p = 0; p < answers; ++p) {
        Vector best = logits[p][0];
        for (int v = 1; v < vocabulary; ++v) best = largest_of(best, logits[p][v]);
        Vector sum{}, right{};
        for (int v = 0; v < vocabulary; ++v) {
            const Vector relative = logits[p][v] - best;
            right = target[p] == v ? relative : right;
            logits[p][v] = exp(relative);
            sum += logits[p][v];
        }
        loss -= right * share;
        product *= sum;
        if (p % factors == factors - 1 || p == answers - 1) {
            Scalar values[lanes];
            store(values, product);
            for (int lane = 0; lane < lanes; ++lane) values[lane] = std::log(values[lane]);
            loss += load(values) * share;
            product = all_lanes(1);
        }
        const Vector inverse = share / sum;
        for (int v = 0; v < vocabulary; ++v) {
            logits[p][v] *= inverse;
            logits[p][v] -= target[p] == v ? share : Vector{};
        }
    }
}

// How good the answers are, each token given the true ones before it.
#pragma once

#include <limits>

#include "batch.hpp"
#include "model.hpp"

struct Validation {
    std::int64_t exact, right;  // samples with all tokens right, and right tokens
    double loss;                // mean over all tokens
};

// Which lanes have their highest logit at the target, and only finite ones: 1 or 0 in each.
inline IntegerVector right_lanes(const Vector* logits, IntegerVector target) {
    constexpr Scalar largest = std::numeric_limits<Scalar>::max();
    Vector best = logits[0];
    IntegerVector token{}, is_finite = IntegerVector{} + 1;
    for (int v = 0; v < vocabulary; ++v) {
        token = logits[v] > best ? v - IntegerVector{} : token;
        best = largest_of(best, logits[v]);
        // Comparisons with NaN are false.
        is_finite &= (logits[v] <= all_lanes(largest)) & (logits[v] >= all_lanes(-largest));
    }
    return (token == target) & is_finite;
}

inline Validation validate(Model& model, const Scalar* weights, const Batch& batch) {
    Validation found{};
    model.prepare(weights);
    const Scalar share = 1 / (static_cast<Scalar>(batch.samples) * answers);
    Vector loss{};
    for (std::int64_t first = 0; first < batch.samples; first += lanes) {
        const Block block(batch, first);
        model.forward(block.read);
        IntegerVector right{};
        for (int p = 0; p < answers; ++p) right += right_lanes(model.logits()[p], block.targets[p]);
        for (int lane = 0; lane < lanes && first + lane < batch.samples; ++lane) {
            found.right += right[lane];
            found.exact += right[lane] == answers;
        }
        model.loss(block.targets, block.is_sample * share, loss);
    }
    found.loss = sum_of_lanes(loss);
    return found;
}

// The loss of a batch and its gradient by the weights.
#pragma once

#include "batch.hpp"
#include "model.hpp"

struct Workspace {
    Model model;
    Vector gradients[weight_count];
};

// Return the mean loss of the answer tokens, and write its gradient by the weights unless that is null.
inline Scalar mean_loss(Workspace& workspace, const Scalar* weights, const Batch& batch, Scalar* gradient) {
    auto& [model, gradients] = workspace;
    const Parameters<Vector> d(gradients);
    if (gradient) set_to_zero(gradients);
    model.prepare(weights);
    const Scalar share = 1 / (static_cast<Scalar>(batch.samples) * answers);
    Vector loss{};
    for (std::int64_t first = 0; first < batch.samples; first += lanes) {
        const Block block(batch, first);
        model.forward(block.read);
        const Vector shares = block.is_sample * share;
        model.loss(block.targets, shares, loss);
        if (gradient) model.backward(block.read, d);
    }
    if (gradient) {
        model.finish(d);
        sums_of_lanes(gradients, weight_count, gradient);
    }
    return sum_of_lanes(loss);
}

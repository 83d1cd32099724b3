// A whole training step: weights from parameters, loss, gradient, AdamW.
#pragma once

#include "adamw.hpp"
#include "derivation.hpp"
#include "loss.hpp"

// The arrays are the caller's; native/library.py has the same structure.
struct Training {
    Derivation derivation;
    Recipe recipe;
    Scalar *values, *d_values;     // (derivation.values)
    Scalar *weights, *d_weights;   // (weight_count)
    Scalar *mean, *square, *slow;  // (derivation.parameters); slow is null without Grokfast
    std::int64_t tensors;          // of parameters
    const std::int64_t* sizes;     // of each

    // Copy parameters, means, squares and slow parts from PyTorch's tensors, whose addresses are given in this
    // order.
    void read(Scalar* const* theirs) const {
        exchange(theirs, [](Scalar* ours, Scalar* their, std::size_t bytes) { std::memcpy(ours, their, bytes); });
    }

    void write(Scalar* const* theirs) const {
        exchange(theirs, [](Scalar* ours, Scalar* their, std::size_t bytes) { std::memcpy(their, ours, bytes); });
    }

    // Return the loss before the step.
    Scalar take_step(Workspace& workspace, const Batch& batch, double rate, double decay,
                     std::int64_t number) const {
        derivation.forward(values, weights);
        const Scalar loss = mean_loss(workspace, weights, batch, d_weights);
        derivation.backward(values, d_weights, d_values);
        const std::int64_t first = derivation.first_parameter;
        Optimizer{values + first, mean, square, slow, derivation.parameters}.step(
            recipe, d_values + first, rate, decay, number);
        return loss;
    }

private:
    template <class Copy>
    void exchange(Scalar* const* theirs, Copy copy) const {
        for (Scalar* ours : {values + derivation.first_parameter, mean, square, slow})
            for (std::int64_t i = 0; ours && i < tensors; ++i) {
                copy(ours, *theirs++, sizes[i] * sizeof(Scalar));
                ours += sizes[i];
            }
    }
};

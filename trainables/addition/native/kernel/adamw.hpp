// From the gradient to a step: Grokfast, clipping and AdamW, as trainables/optimization.py defines them.
#pragma once

#include "vector.hpp"

// What is the same in all steps. Numbers are double, as in PyTorch, and rounded where they meet a Scalar.
struct Recipe {
    double beta1, beta2, epsilon;
    double largest_norm;  // 0 for no clipping
    double slow_gain, slow_decay;
};

struct Optimizer {
    Scalar *parameter, *mean, *square;
    Scalar* slow;  // the slow part of the gradient; null without Grokfast
    std::int64_t count;

    // Change the parameters by their gradient, which is used up; `number` counts AdamW's steps from 1.
    void step(const Recipe& recipe, Scalar* gradient, double rate, double decay, std::int64_t number) {
        if (slow) amplify(recipe, gradient, number == 1);
        if (recipe.largest_norm > 0) clip(recipe.largest_norm, gradient);
        const auto beta2 = static_cast<Scalar>(recipe.beta2);
        const auto new_share = static_cast<Scalar>(1 - recipe.beta1);
        const auto new_square = static_cast<Scalar>(1 - recipe.beta2);
        const auto epsilon = static_cast<Scalar>(recipe.epsilon);
        const auto kept = static_cast<Scalar>(1 - rate * decay);
        const auto length = static_cast<Scalar>(rate / (1 - std::pow(recipe.beta1, number)));
        const auto root = static_cast<Scalar>(std::sqrt(1 - std::pow(recipe.beta2, number)));
        Scalar *const p = parameter, *const m = mean, *const v = square;
        for (std::int64_t i = 0; i < count; ++i) {
            const Scalar g = gradient[i];
            m[i] += new_share * (g - m[i]);
            v[i] = beta2 * v[i] + new_square * g * g;
            p[i] = kept * p[i] - length * (m[i] / (std::sqrt(v[i]) / root + epsilon));
        }
    }

private:
    void amplify(const Recipe& recipe, Scalar* gradient, bool is_first) {
        const auto share = static_cast<Scalar>(1 - recipe.slow_decay);
        const auto gain = static_cast<Scalar>(recipe.slow_gain);
        for (std::int64_t i = 0; i < count; ++i) {
            slow[i] = is_first ? gradient[i] : slow[i] + share * (gradient[i] - slow[i]);
            gradient[i] += gain * slow[i];
        }
    }

    void clip(double largest, Scalar* gradient) const {
        double squares = 0;
        for (std::int64_t i = 0; i < count; ++i) squares += static_cast<double>(gradient[i]) * gradient[i];
        // A comparison with NaN is false, so NaN reaches the parameters, as in PyTorch.
        const double share = largest / (std::sqrt(squares) + 1e-6);
        if (share >= 1) return;
        for (std::int64_t i = 0; i < count; ++i) gradient[i] *= static_cast<Scalar>(share);
    }
};

// Activations: each computes its value and its slope at once, since they share most of their work.
//
// To add one, write a struct like these, and name it in native/kernel_shape.py and in
// trainables/transformer/feed_forward.py, which defines it for PyTorch.
#pragma once

#include "functions.hpp"

struct ValueAndSlope {
    Vector value, slope;
};

// x sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3), which is x (1 + tanh(u)) / 2.
struct Gelu {
    static ValueAndSlope at(Vector x) {
        const Scalar twice_root = static_cast<Scalar>(1.59576912160573071175978423973L);
        const Scalar cubic = static_cast<Scalar>(0.044715L);
        const Vector square = x * x;
        const Vector gate = sigmoid(twice_root * x * (1 + cubic * square));
        return {x * gate, gate + x * gate * (1 - gate) * twice_root * (1 + 3 * cubic * square)};
    }
};

struct Relu {
    static ValueAndSlope at(Vector x) {
        // Written so that NaN is not less than 0, and goes through.
        return {x < Vector{} ? Vector{} : x, x > Vector{} ? all_lanes(1) : Vector{}};
    }
};

// max(x, 0)^2
struct SquaredRelu {
    static ValueAndSlope at(Vector x) {
        const Vector positive = Relu::at(x).value;
        return {positive * positive, 2 * positive};
    }
};

// x sigmoid(x), the gate of SwiGLU.
struct Silu {
    static ValueAndSlope at(Vector x) {
        const Vector gate = sigmoid(x);
        return {x * gate, gate + x * gate * (1 - gate)};
    }
};

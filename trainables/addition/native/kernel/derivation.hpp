// From a model's parameters to its weights: a list of operations on single numbers, as native/derivation.py
// records them, and its way back.
//
// All numbers are in one array of values: constants, then parameters, then what is computed from them. Each
// weight is one of them.
#pragma once

#include "parameters.hpp"

enum class Operator : std::int32_t { add_product, cosine, sine };

struct Operation {
    Operator kind;
    // Positions of values: of the result, and of the one or two numbers that it is computed from.
    std::int32_t result, first, second;
};

struct Derivation {
    std::int64_t values, first_parameter, parameters;
    std::int64_t operation_count;
    const Operation* operations;
    const std::int32_t* weights;  // (weight_count): the value that each of them is

    std::int64_t first_derived() const { return first_parameter + parameters; }

    void forward(Scalar* value, Scalar* weight) const {
        for (std::int64_t i = first_derived(); i < values; ++i) value[i] = 0;
        for (const Operation* op = operations; op < operations + operation_count; ++op) {
            const Scalar first = value[op->first];
            switch (op->kind) {
                case Operator::add_product: value[op->result] += first * value[op->second]; break;
                case Operator::cosine: value[op->result] = std::cos(first); break;
                case Operator::sine: value[op->result] = std::sin(first); break;
            }
        }
        for (int i = 0; i < weight_count; ++i) weight[i] = value[weights[i]];
    }

    // Write the gradient by all values, given that by the weights.
    void backward(const Scalar* value, const Scalar* d_weight, Scalar* d_value) const {
        for (std::int64_t i = 0; i < values; ++i) d_value[i] = 0;
        for (int i = 0; i < weight_count; ++i) d_value[weights[i]] += d_weight[i];
        for (const Operation* op = operations + operation_count; op-- > operations;) {
            const Scalar by_result = d_value[op->result];
            switch (op->kind) {
                case Operator::add_product: {
                    // Both may be the same number.
                    const Scalar by_first = by_result * value[op->second];
                    d_value[op->second] += by_result * value[op->first];
                    d_value[op->first] += by_first;
                    break;
                }
                case Operator::cosine: d_value[op->first] -= by_result * std::sin(value[op->first]); break;
                case Operator::sine: d_value[op->first] += by_result * std::cos(value[op->first]); break;
            }
        }
    }
};

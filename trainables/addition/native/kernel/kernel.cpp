// The functions that Python calls, with ctypes: see native/library.py.
//
// Tokens are whole sequences, (samples, length + 1): all but the last are read, the last `answers` are the
// targets. The workspace is the caller's, aligned to a Vector, and not shared by two calls at a time;
// nothing in it has to be initialised, and nothing is remembered there from call to call.
#include "model.hpp"

namespace {

// The samples of one block in the lanes. Beyond the last sample the first is repeated.
struct Block {
    int read[length][lanes];
    IntegerVector targets[answers];
    // 1 for a sample and 0 beyond the last; NaN for one with a token that there is not.
    Vector is_sample;

    Block(const std::int64_t* tokens, std::int64_t first, std::int64_t samples) {
        for (int lane = 0; lane < lanes; ++lane) {
            const bool is_there = first + lane < samples;
            const std::int64_t* sequence = tokens + (is_there ? first + lane : 0) * (length + 1);
            is_sample[lane] = is_there;
            for (int t = 0; t < length; ++t) {
                const bool is_token = 0 <= sequence[t] && sequence[t] < vocabulary;
                read[t][lane] = is_token ? static_cast<int>(sequence[t]) : 0;
                if (!is_token) is_sample[lane] = NAN;
            }
            for (int p = 0; p < answers; ++p)
                targets[p][lane] = static_cast<Integer>(sequence[length + 1 - answers + p]);
        }
    }
};

struct Workspace {
    Model model;
    Vector gradients[weight_count];
};

}  // namespace

#define PARETUNE_EXPORTED __attribute__((visibility("default")))

extern "C" {

PARETUNE_EXPORTED std::int64_t paretune_weight_count() { return weight_count; }

PARETUNE_EXPORTED std::int64_t paretune_workspace_bytes() { return sizeof(Workspace); }

// Return the mean loss of the answer tokens, and write its gradient by the weights unless that is null.
PARETUNE_EXPORTED Scalar paretune_loss(const Scalar* weights, const std::int64_t* tokens,
                                       std::int64_t samples, Scalar* gradient, void* workspace) {
    auto& [model, gradients] = *static_cast<Workspace*>(workspace);
    const Parameters<Vector> d(gradients);
    if (gradient) set_to_zero(gradients);
    model.prepare(weights);
    const Scalar share = 1 / (static_cast<Scalar>(samples) * answers);
    Vector loss{};
    for (std::int64_t first = 0; first < samples; first += lanes) {
        const Block block(tokens, first, samples);
        model.forward(block.read);
        const Vector shares = block.is_sample * share;
        model.loss(block.targets, shares, loss);
        if (gradient) model.backward(block.read, d);
    }
    if (gradient) {
        model.finish(d);
        for (int i = 0; i < weight_count; ++i) gradient[i] = sum_of_lanes(gradients[i]);
    }
    return sum_of_lanes(loss);
}

// Write the logits of every answer token, (samples, answers, vocabulary).
PARETUNE_EXPORTED void paretune_logits(const Scalar* weights, const std::int64_t* tokens,
                                       std::int64_t samples, Scalar* logits, void* workspace) {
    Model& model = static_cast<Workspace*>(workspace)->model;
    model.prepare(weights);
    for (std::int64_t first = 0; first < samples; first += lanes) {
        const Block block(tokens, first, samples);
        model.forward(block.read);
        for (int lane = 0; lane < lanes && first + lane < samples; ++lane)
            for (int p = 0; p < answers; ++p)
                for (int v = 0; v < vocabulary; ++v)
                    logits[((first + lane) * answers + p) * vocabulary + v] = model.logits()[p][v][lane];
    }
}
}

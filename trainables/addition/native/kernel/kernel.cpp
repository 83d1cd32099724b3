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
    Vector is_sample;

    Block(const std::int64_t* tokens, std::int64_t first, std::int64_t samples) {
        for (int lane = 0; lane < lanes; ++lane) {
            const bool is_there = first + lane < samples;
            const std::int64_t* sequence = tokens + (is_there ? first + lane : 0) * (length + 1);
            for (int t = 0; t < length; ++t) read[t][lane] = static_cast<int>(sequence[t]);
            for (int p = 0; p < answers; ++p)
                targets[p][lane] = static_cast<Integer>(sequence[length + 1 - answers + p]);
            is_sample[lane] = is_there;
        }
    }
};

}  // namespace

extern "C" {

std::int64_t paretune_weight_count() { return weight_count(); }

std::int64_t paretune_workspace_bytes() { return sizeof(Model) + sizeof(Vector) * weight_count(); }

// Return the mean loss of the answer tokens, and write its gradient by the weights unless that is null.
Scalar paretune_loss(const Scalar* weights, const std::int64_t* tokens, std::int64_t samples,
                     Scalar* gradient, void* workspace) {
    Model& model = *static_cast<Model*>(workspace);
    Vector* gradients = reinterpret_cast<Vector*>(static_cast<char*>(workspace) + sizeof(Model));
    const Parameters<Vector> d(gradients);
    if (gradient) std::memset(gradients, 0, sizeof(Vector) * weight_count());
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
        for (int i = 0; i < weight_count(); ++i) gradient[i] = sum_of_lanes(gradients[i]);
    }
    return sum_of_lanes(loss);
}

// Write the logits of every answer token, (samples, answers, vocabulary).
void paretune_logits(const Scalar* weights, const std::int64_t* tokens, std::int64_t samples, Scalar* logits,
                     void* workspace) {
    Model& model = *static_cast<Model*>(workspace);
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

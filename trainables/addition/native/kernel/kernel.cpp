// The functions that Python calls, with ctypes: see native/library.py.
//
// The workspace is the caller's, aligned to a Vector, and not shared by two calls at a time; nothing in it has
// to be initialised, and nothing is remembered there from call to call.
#include "loss.hpp"
#include "problems.hpp"
#include "training.hpp"
#include "validation.hpp"

#define PARETUNE_EXPORTED __attribute__((visibility("default")))

extern "C" {

PARETUNE_EXPORTED std::int64_t paretune_weight_count() { return weight_count; }

PARETUNE_EXPORTED std::int64_t paretune_workspace_bytes() { return sizeof(Workspace); }

// Return the mean loss of the answer tokens of sequences, (samples, length + 1), and write its gradient by the
// weights unless that is null.
PARETUNE_EXPORTED Scalar paretune_loss(const Scalar* weights, const std::int64_t* tokens,
                                       std::int64_t samples, Scalar* gradient, void* workspace) {
    return mean_loss(*static_cast<Workspace*>(workspace), weights, Batch{.samples = samples, .sequences = tokens}, gradient);
}

// Write the logits of every answer token, (samples, answers, vocabulary).
PARETUNE_EXPORTED void paretune_logits(const Scalar* weights, const std::int64_t* tokens,
                                       std::int64_t samples, Scalar* logits, void* workspace) {
    Model& model = static_cast<Workspace*>(workspace)->model;
    model.prepare(weights);
    for (std::int64_t first = 0; first < samples; first += lanes) {
        const Block block(Batch{.samples = samples, .sequences = tokens}, first);
        model.forward(block.read);
        for (int lane = 0; lane < lanes && first + lane < samples; ++lane)
            for (int p = 0; p < answers; ++p)
                for (int v = 0; v < vocabulary; ++v)
                    logits[((first + lane) * answers + p) * vocabulary + v] = model.logits()[p][v][lane];
    }
}

// Compare the answers to sequences, (samples, length + 1), with the right ones.
PARETUNE_EXPORTED void paretune_validate(const Scalar* weights, const std::int64_t* tokens,
                                         std::int64_t samples, Validation* found, void* workspace) {
    *found = validate(static_cast<Workspace*>(workspace)->model, weights, Batch{.samples = samples, .sequences = tokens});
}

// Draw the problems of `steps` batches from one seed, and write them as tokens, (steps, length + 1, samples).
PARETUNE_EXPORTED void paretune_draw(std::uint32_t seed, std::int64_t steps, std::int64_t samples,
                                     std::int64_t chained, int fewest, int most, const Encoding* encoding,
                                     std::uint8_t* tokens) {
    const Problems problems(seed, steps * samples, chained, fewest, most);
    write_tokens(problems, *encoding, steps, sequence_length, tokens);
}

// Take as many steps on the batches that paretune_draw() wrote, and write the loss before each. `theirs` are the
// addresses of the tensors that the steps change; `number` counts the optimizer's steps, the first of these
// included.
PARETUNE_EXPORTED void paretune_take_steps(const Training* training, Scalar* const* theirs,
                                           const std::uint8_t* tokens, std::int64_t samples,
                                           std::int64_t steps, const double* rates, double decay,
                                           std::int64_t number, Scalar* losses, void* workspace) {
    training->read(theirs);
    for (std::int64_t step = 0; step < steps; ++step, tokens += sequence_length * samples)
        losses[step] = training->take_step(*static_cast<Workspace*>(workspace), Batch{.samples = samples, .columns = tokens},
                                           rates[step], decay, number + step);
    training->write(theirs);
}
}

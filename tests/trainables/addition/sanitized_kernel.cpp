// Runs the kernel once on weights and tokens from a file, in buffers of exactly the right size, so that
// AddressSanitizer sees every access outside of them. The workspace is full of NaN before, so that reading
// what was not written shows too. Prints the loss, a digest of the gradient, one of the logits, right answers, and
// the sum of the losses of three steps on problems that it draws.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernel.cpp"

int main(int, char** arguments) {
    std::FILE* file = std::fopen(arguments[1], "rb");
    std::int64_t samples = 0;
    if (!file || std::fread(&samples, sizeof samples, 1, file) != 1) return 2;
    std::vector<Scalar> weights(paretune_weight_count()), gradient(weights.size());
    std::vector<std::int64_t> tokens(samples * (length + 1));
    if (std::fread(weights.data(), sizeof(Scalar), weights.size(), file) != weights.size()) return 2;
    if (std::fread(tokens.data(), sizeof(std::int64_t), tokens.size(), file) != tokens.size()) return 2;
    std::fclose(file);

    const std::size_t bytes = (paretune_workspace_bytes() + vector_bytes - 1) / vector_bytes * vector_bytes;
    std::unique_ptr<void, decltype(&std::free)> workspace(std::aligned_alloc(vector_bytes, bytes), &std::free);
    std::memset(workspace.get(), 0xff, bytes);
    const Scalar loss =
        paretune_loss(weights.data(), tokens.data(), samples, gradient.data(), workspace.get());
    std::memset(workspace.get(), 0xff, bytes);
    std::vector<Scalar> logits(samples * answers * vocabulary);
    paretune_logits(weights.data(), tokens.data(), samples, logits.data(), workspace.get());
    double of_gradient = 0, of_logits = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i) of_gradient += gradient[i] * (1 + i % 7);
    for (std::size_t i = 0; i < logits.size(); ++i) of_logits += logits[i] * (1 + i % 7);

    std::memset(workspace.get(), 0xff, bytes);
    Validation validation;
    paretune_validate(weights.data(), tokens.data(), samples, &validation, workspace.get());

    // Every kind of place, up to the last digit of an operand and of a sum, in either base.
    std::vector<Place> places(length + 1);
    for (std::size_t i = 0; i < places.size(); ++i)
        places[i] = {static_cast<Place::Of>(i % 4), static_cast<std::int32_t>(i % 4 == 2 ? 18 : i % 9)};
    constexpr std::int64_t steps = 3;
    std::vector<std::uint8_t> drawn(steps * samples * places.size());
    for (const std::int32_t base : {100, 10}) {
        const Encoding encoding{base, base == 10 ? 19 : 10, places.data()};
        if (base == 100) for (Place& place : places) place.digit /= 2;
        paretune_draw(7, steps, samples, steps * samples / 2, 1, 18, &encoding, drawn.data());
    }

    // The last weight is the sine of the cosine of the product of the first two.
    const auto count = static_cast<std::int32_t>(weights.size());
    const Operation operations[] = {{Operator::add_product, count, 0, 1},
                                    {Operator::cosine, count + 1, count, count},
                                    {Operator::sine, count + 2, count + 1, count + 1}};
    std::vector<std::int32_t> origin(count);
    for (std::int32_t i = 0; i < count; ++i) origin[i] = i + 1 < count ? i : count + 2;
    std::vector<Scalar> values(weights), d_values(count + 3), matrices(count), d_matrices(count);
    values.resize(count + 3);
    std::vector<Scalar> mean(count), square(count), slow(count), their_weights(weights), their_moments(3 * count);
    const std::int64_t sizes[] = {1, count - 1};
    Scalar* theirs[8];
    for (int of = 0; of < 4; ++of) {
        Scalar* begin = of == 0 ? their_weights.data() : their_moments.data() + (of - 1) * count;
        theirs[2 * of] = begin;
        theirs[2 * of + 1] = begin + 1;
    }
    const Training training{{count + 3, 0, count, 3, operations, origin.data()},
                            {0.9, 0.999, 1e-8, 0.5, 1.5, 0.9},
                            values.data(), d_values.data(), matrices.data(), d_matrices.data(),
                            mean.data(), square.data(), slow.data(), 2, sizes};
    const double rates[steps] = {0.01, 0.02, 0.03};
    std::vector<Scalar> losses(steps);
    paretune_take_steps(&training, theirs, drawn.data(), samples, steps, rates, 0.1, 1, losses.data(),
                        workspace.get());
    std::printf("%.17g %.17g %.17g %lld %.17g\n", static_cast<double>(loss), of_gradient, of_logits,
                static_cast<long long>(validation.right), static_cast<double>(losses[0] + losses[1] + losses[2]));
}

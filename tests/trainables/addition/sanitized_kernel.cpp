// Runs the kernel once on weights and tokens from a file, in buffers of exactly the right size, so that
// AddressSanitizer sees every access outside of them. The workspace is full of NaN before, so that reading
// what was not written shows too. Prints the loss, a digest of the gradient, and a digest of the logits.
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
    std::printf("%.17g %.17g %.17g\n", static_cast<double>(loss), of_gradient, of_logits);
}

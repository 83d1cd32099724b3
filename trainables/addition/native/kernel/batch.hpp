// Samples as tokens: whole sequences, of which all but the last token are read, and the last `answers` are
// the targets.
#pragma once

#include "parameters.hpp"

constexpr int sequence_length = length + 1;

// One of two arrangements, told apart when it is read: the model is compiled only once.
struct Batch {
    std::int64_t samples;
    // Sequences one after the other, as PyTorch has them: (samples, sequence_length).
    const std::int64_t* sequences = nullptr;
    // Positions one after the other, as problems.hpp writes them: (sequence_length, samples).
    const std::uint8_t* columns = nullptr;

    std::int64_t at(std::int64_t sample, int position) const {
        return columns ? columns[position * samples + sample] : sequences[sample * sequence_length + position];
    }
};

// The samples of one block in the lanes. Beyond the last sample the first is repeated.
struct Block {
    int read[length][lanes];
    IntegerVector targets[answers];
    // 1 for a sample and 0 beyond the last; NaN for one with a token that there is not.
    Vector is_sample;

    Block(const Batch& batch, std::int64_t first) {
        std::int64_t sample[lanes];
        for (int lane = 0; lane < lanes; ++lane) {
            const bool is_there = first + lane < batch.samples;
            sample[lane] = is_there ? first + lane : 0;
            is_sample[lane] = is_there;
        }
        for (int t = 0; t < length; ++t)
            for (int lane = 0; lane < lanes; ++lane) {
                const std::int64_t token = batch.at(sample[lane], t);
                const bool is_token = 0 <= token && token < vocabulary;
                read[t][lane] = is_token ? static_cast<int>(token) : 0;
                if (!is_token) is_sample[lane] = NAN;
            }
        for (int p = 0; p < answers; ++p)
            for (int lane = 0; lane < lanes; ++lane)
                targets[p][lane] =
                    static_cast<Integer>(batch.at(sample[lane], sequence_length - answers + p));
    }
};

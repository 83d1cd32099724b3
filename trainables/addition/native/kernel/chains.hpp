// Which columns of additions carry, and digits that make them, as trainables/addition/carries.py draws both.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "generator.hpp"

// The pairs of digits that carry or do not, given the carry into their column.
struct DigitPairs {
    using Pair = std::pair<std::uint8_t, std::uint8_t>;
    std::array<Pair, 55> pairs[4];  // of 2 * carry in + carry out
    int sizes[4] = {};

    constexpr DigitPairs() : pairs{} {
        for (int x = 0; x < 10; ++x)
            for (int y = 0; y < 10; ++y)
                for (int carry_in = 0; carry_in < 2; ++carry_in) {
                    const int kind = 2 * carry_in + (x + y + carry_in >= 10);
                    pairs[kind][sizes[kind]++] = Pair(x, y);
                }
    }
};

// Additions of operands of given lengths, each with a chain of columns that carry.
class Chains {
public:
    Chains(const std::vector<int>& length, int most, Generator& generator)
        : length_(length), columns_(length.size()), carries_(length.size()) {
        const std::size_t count = length.size();
        std::vector<int> run(count);
        for (std::size_t k = 0; k < count; ++k)
            run[k] = std::min(shortest + up_to(std::max(length[k] - shortest, 0), generator), length[k]);
        for (std::size_t k = 0; k < count; ++k) {
            const int begin = up_to(length[k] - run[k], generator);
            columns_[k] = ((1u << run[k]) - 1) << begin;
        }
        for (std::size_t k = 0; k < count; ++k) {
            std::uint32_t by_chance = 0;
            for (int place = 0; place < most; ++place) by_chance |= std::uint32_t{generator.coin()} << place;
            columns_[k] |= by_chance & ((1u << length[k]) - 1);
        }
    }

    // Return digits of addition `k` in a column. Columns must be asked for from the ones on, each for all additions
    // before the next.
    std::pair<std::uint32_t, std::uint32_t> next_digits(std::size_t k, int place, Generator& generator) {
        static constexpr DigitPairs digits;
        const int carry_out = columns_[k] >> place & 1, kind = 2 * carries_[k] + carry_out;
        const auto [first, second] = digits.pairs[kind][static_cast<int>(generator.share() * digits.sizes[kind])];
        carries_[k] = static_cast<std::uint8_t>(carry_out);
        if (place >= length_[k]) return {0, 0};
        return {first, second};
    }

private:
    static constexpr int shortest = 2;

    static int up_to(int largest, Generator& generator) {
        return static_cast<int>(generator.share() * (largest + 1));
    }

    std::vector<int> length_;
    std::vector<std::uint32_t> columns_;  // a bit for each that carries
    std::vector<std::uint8_t> carries_;   // into the column that is next
};

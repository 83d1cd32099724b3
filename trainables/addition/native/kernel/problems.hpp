// Training problems: the same numbers, from the same seed, as trainables/addition/problems.py draws with
// PyTorch, written as trainables/addition/formats.py writes them.
#pragma once

#include <cstdint>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "chains.hpp"
#include "generator.hpp"

namespace split {

constexpr std::uint64_t buckets = 10, first_of_training = 2;

// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
inline std::uint64_t mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

inline bool is_training(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t low = a < b ? a : b, high = a < b ? b : a;
    return (mix(mix(low) + high) & 0x7fffffffffffffffu) % buckets >= first_of_training;
}

}  // namespace split

// Numbers as groups of nine decimal digits, the least significant first, so that 32 bits hold each: their
// arithmetic runs in vectors, that of 64 bits does not. A sum's last group may have a tenth.
constexpr int digits_of_group = 9, most_groups = 2;
constexpr std::uint32_t group_size = 1'000'000'000;
using Numbers = std::vector<std::uint32_t>[most_groups];

// Draws problems whose operands have `fewest` to `most` digits: uniformly, but for `chained` of them, whose sums
// have a long chain of carries.
class Problems {
public:
    const std::int64_t count;
    Numbers a, b, sum;

    Problems(std::uint32_t seed, std::int64_t count, std::int64_t chained, int fewest, int most)
        : count(count), generator_(seed), most_(most), length_(count) {
        for (Numbers* numbers : {&a, &b, &sum})
            for (std::vector<std::uint32_t>& group : *numbers) group.resize(count);
        fill(0, count - chained, fewest, &Problems::draw_uniform);
        fill(count - chained, count, fewest, &Problems::draw_chained);
        if (chained) shuffle();
        add();
    }

private:
    using Chosen = std::vector<std::int64_t>;

    void fill(std::int64_t begin, std::int64_t end, int fewest, void (Problems::*draw)(const Chosen&)) {
        for (std::int64_t i = begin; i < end; ++i)
            length_[i] = fewest + static_cast<int>(generator_.word() % (most_ - fewest + 1));
        Chosen chosen(end - begin);
        std::iota(chosen.begin(), chosen.end(), begin);
        // Those outside the training split are drawn again, all at a time: the order of PyTorch's numbers.
        while (!chosen.empty()) {
            (this->*draw)(chosen);
            std::erase_if(chosen, [this](std::int64_t i) { return split::is_training(whole(a, i), whole(b, i)); });
        }
    }

    void draw_uniform(const Chosen& chosen) {
        for (int group = 0; group <= (most_ - 1) / digits_of_group; ++group)
            for (Numbers* operand : {&a, &b})
                for (const std::int64_t i : chosen) {
                    const double numbers = power(length_[i] - group * digits_of_group);
                    (*operand)[group][i] = static_cast<std::uint32_t>(generator_.share() * numbers);
                }
    }

    void draw_chained(const Chosen& chosen) {
        std::vector<int> length;
        for (const std::int64_t i : chosen) length.push_back(length_[i]);
        Chains chains(length, most_, generator_);
        for (Numbers* operand : {&a, &b})
            for (std::vector<std::uint32_t>& group : *operand)
                for (const std::int64_t i : chosen) group[i] = 0;
        std::uint32_t power = 1;
        for (int place = 0; place < most_; ++place, power *= 10) {
            const int group = place / digits_of_group;
            if (place % digits_of_group == 0) power = 1;
            for (std::size_t k = 0; k < chosen.size(); ++k) {
                const auto [first, second] = chains.next_digits(k, place, generator_);
                a[group][chosen[k]] += first * power;
                b[group][chosen[k]] += second * power;
            }
        }
    }

    // Put the problems in a random order, that of torch.randperm.
    void shuffle() {
        for (std::int64_t i = 0; i < count - 1; ++i) {
            const std::int64_t other = i + generator_.word() % (count - i);
            for (Numbers* operand : {&a, &b})
                for (std::vector<std::uint32_t>& group : *operand) std::swap(group[i], group[other]);
        }
    }

    void add() {
        for (std::int64_t i = 0; i < count; ++i) {
            const std::uint32_t lower = a[0][i] + b[0][i];
            const bool carries = lower >= group_size;
            sum[0][i] = carries ? lower - group_size : lower;
            sum[1][i] = a[1][i] + b[1][i] + carries;
        }
    }

    static std::uint64_t whole(const Numbers& numbers, std::int64_t i) {
        return numbers[0][i] + std::uint64_t{group_size} * numbers[1][i];
    }

    // How many numbers have up to so many digits, or up to a whole group.
    static double power(int digits) {
        constexpr double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
        return powers[digits < 0 ? 0 : digits > digits_of_group ? digits_of_group : digits];
    }

    Generator generator_;
    int most_;
    std::vector<int> length_;
};

// What a position of a sequence holds: a digit, counted from the least significant, of an operand or the
// sum, or always the same token.
struct Place {
    enum class Of : std::int32_t { first, second, sum, constant };
    Of of;
    std::int32_t digit;  // or the token
};

struct Encoding {
    std::int32_t base, digits;  // 10 or 100; most digits of a number, the sum included
    const Place* places;        // of every position of a sequence
};

// The digits of numbers that have up to `digits`, the least significant first: (digits, count).
inline std::vector<std::uint8_t> digits_of(const Numbers& numbers, std::int64_t count, const Encoding& encoding) {
    const int decimals = encoding.base == 100 ? 2 * encoding.digits : encoding.digits;
    std::vector<std::uint8_t> rows(decimals * count);
    std::vector<std::uint32_t> rest(count);
    for (int digit = 0; digit < decimals; ++digit) {
        if (digit == 0) rest = numbers[0];
        if (digit == digits_of_group) rest = numbers[1];
        std::uint8_t* const row = rows.data() + digit * count;
        for (std::int64_t i = 0; i < count; ++i) {
            const std::uint32_t quotient = rest[i] / 10;
            row[i] = static_cast<std::uint8_t>(rest[i] - 10 * quotient);
            rest[i] = quotient;
        }
    }
    if (encoding.base == 10) return rows;
    for (int digit = 0; digit < encoding.digits; ++digit)
        for (std::int64_t i = 0; i < count; ++i)
            rows[digit * count + i] = rows[2 * digit * count + i] + 10 * rows[(2 * digit + 1) * count + i];
    return rows;
}

// Write problems, divided evenly among the steps, as tokens: (steps, positions, samples).
inline void write_tokens(const Problems& problems, const Encoding& encoding, std::int64_t steps, int positions,
                         std::uint8_t* tokens) {
    const std::int64_t samples = problems.count / steps;
    std::vector<std::uint8_t> digits[3];
    const Numbers* numbers[] = {&problems.a, &problems.b, &problems.sum};
    for (int of = 0; of < 3; ++of) digits[of] = digits_of(*numbers[of], problems.count, encoding);
    for (std::int64_t step = 0; step < steps; ++step)
        for (const Place* place = encoding.places; place < encoding.places + positions; ++place) {
            if (place->of == Place::Of::constant) {
                std::memset(tokens, place->digit, samples);
            } else {
                const std::uint8_t* of = digits[static_cast<int>(place->of)].data();
                std::memcpy(tokens, of + place->digit * problems.count + step * samples, samples);
            }
            tokens += samples;
        }
}

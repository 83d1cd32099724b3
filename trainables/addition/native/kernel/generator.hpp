// Random numbers as PyTorch draws them.
#pragma once

#include <cstdint>

// The generator of PyTorch on CPUs: MT19937 (Matsumoto and Nishimura, 1998), 624 words at a time.
class Generator {
public:
    explicit Generator(std::uint32_t seed) {
        state_[0] = seed;
        for (std::uint32_t i = 1; i < size; ++i)
            state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
    }

    std::uint32_t word() {
        if (next_ == size) refill();
        return words_[next_++];
    }

    // Uniform in [0, 1), with 53 random bits.
    double share() {
        const std::uint64_t high = word(), low = word();
        return static_cast<double>(((high << 32) | low) & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53;
    }

    // Whether a number uniform in [0, 1) is below a half, drawn in float as PyTorch does: with 24 random bits.
    bool coin() { return !(word() & (1u << 23)); }

private:
    static constexpr int size = 624, offset = 397;

    static std::uint32_t twist(std::uint32_t upper, std::uint32_t lower, std::uint32_t far) {
        const std::uint32_t mixed = (upper & 0x80000000u) | (lower & 0x7fffffffu);
        return far ^ (mixed >> 1) ^ (lower & 1 ? 0x9908b0dfu : 0);
    }

    void refill() {
        for (int i = 0; i < size - offset; ++i) state_[i] = twist(state_[i], state_[i + 1], state_[i + offset]);
        for (int i = size - offset; i < size - 1; ++i)
            state_[i] = twist(state_[i], state_[i + 1], state_[i + offset - size]);
        state_[size - 1] = twist(state_[size - 1], state_[0], state_[offset - 1]);
        for (int i = 0; i < size; ++i) {
            std::uint32_t word = state_[i];
            word ^= word >> 11;
            word ^= (word << 7) & 0x9d2c5680u;
            word ^= (word << 15) & 0xefc60000u;
            words_[i] = word ^ (word >> 18);
        }
        next_ = 0;
    }

    std::uint32_t state_[size], words_[size];
    int next_ = size;
};

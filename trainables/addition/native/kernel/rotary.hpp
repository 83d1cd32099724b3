// Rotary positions: pairs of a head's features, i and i + pairs, turn by an angle of their position.
#pragma once

#include "vector.hpp"

enum class Turn { forward = 1, backward = -1 };

//   y[i]         = x[i] cos - x[i + pairs] sin
//   y[i + pairs] = x[i + pairs] cos + x[i] sin
// for the cosines and sines of one position; in place. A gradient is turned backward.
template <Turn direction, int pairs>
inline void turn(const Scalar* cosines, const Scalar* sines, Vector* x) {
    for (int i = 0; i < pairs; ++i) {
        const Vector first = x[i], second = x[i + pairs];
        const Scalar sine = static_cast<int>(direction) * sines[i];
        x[i] = first * cosines[i] - second * sine;
        x[i + pairs] = second * cosines[i] + first * sine;
    }
}

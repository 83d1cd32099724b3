// Sums of products that stay in registers: what matrix products and attention are made of.
#pragma once

#include "vector.hpp"

// Rows and columns of the largest tile: their sums, one operand of each row and one more fill the registers.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int tile_rows = 4, tile_columns = 6;
#else
constexpr int tile_rows = 3, tile_columns = 4;
#endif

// sum[r][c] += sum over k of left(r, k) right(k, c), for k from `begin` to `end`; right may give Scalars.
template <int rows, int columns, class Left, class Right>
inline void add_products(Vector (&sum)[rows][columns], int begin, int end, Left left, Right right) {
    for (int k = begin; k < end; ++k) {
        decltype(left(0, 0)) of_rows[rows];
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            of_rows[r] = left(r, k);
#if defined(__AVX512F__)
            // Without this GCC loads an operand again for each of its products.
            asm("" : "+v"(of_rows[r]));
#endif
        }
#pragma GCC unroll 8
        for (int c = 0; c < columns; ++c) {
            const auto of_column = right(k, c);
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r) sum[r][c] += of_rows[r] * of_column;
        }
    }
}

// The length of as few stretches as possible, of at most `most`, that cover `total`; the last may be shorter.
constexpr int stretch(int total, int most) {
    const int count = (total + most - 1) / most;
    return (total + count - 1) / count;
}

// Call body<n>(begin) for these stretches. The length of each is a constant, so that loops over it unroll.
template <int total, int most, class Body>
inline void in_stretches(Body body) {
    constexpr int size = stretch(total, most);
    constexpr int whole = total / size * size;
    for (int begin = 0; begin < whole; begin += size) body.template operator()<size>(begin);
    if constexpr (whole < total) body.template operator()<total - whole>(whole);
}

// Call body<rows, columns>(first row, first column) for tiles that cover a matrix.
template <int all_rows, int all_columns, class Body>
inline void in_tiles(Body body) {
    in_stretches<all_columns, tile_columns>([&]<int columns>(int first_column) {
        in_stretches<all_rows, tile_rows>([&]<int rows>(int first_row) {
            body.template operator()<rows, columns>(first_row, first_column);
        });
    });
}

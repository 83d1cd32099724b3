// Causal attention of the last positions to all before them.
#pragma once

#include "functions.hpp"
#include "parameters.hpp"
#include "tile.hpp"

// For a query q and the keys k[j] and values v[j] of positions j up to its own, in each head:
//   score[j]  = q . k[j] / sqrt(head_width)
//   weight[j] = exp(score[j]) / sum of exp(score)
//   read      = sum of weight[j] v[j]
//
// Neighbouring queries are taken together, so that keys and values that are loaded serve all of them, and so are
// positions: what a query would see beyond its own is computed, and weighed with 0.
template <int queries>
struct Attention {
    static constexpr int first_query = length - queries;

    // exp(score), of which `inverse` makes weights that sum to 1.
    Vector power[heads][queries][length], inverse[heads][queries];
    Vector d_score[heads][queries][length];
    // Queries divided by sqrt(head_width).
    Vector scaled[queries][attention_width];
    Vector read[queries][attention_width];

    void forward(const Vector (*query)[attention_width], const Vector (*key_value)[2 * attention_width]) {
        for (int p = 0; p < queries; ++p)
            for (int i = 0; i < attention_width; ++i) scaled[p][i] = query[p][i] * scale();
        for (int head = 0; head < heads; ++head) {
            const int key = head * head_width, value = attention_width + key;
            in_stretches<queries, tile_rows>([&]<int rows>(int p) {
                const int seen = seen_by(p + rows - 1);
                Vector (*const powers)[length] = power[head] + p;
                multiply<rows>(seen, scaled + p, key, key_value, key,
                               [&](int r, int j, Vector score) { powers[r][j] = score; });
                for (int r = 0; r < rows; ++r)
                    inverse[head][p + r] = 1 / exponentiate(powers[r], first_query + p + r + 1, seen);
                combine<rows>(seen, powers, key_value, value, [&](int r, int i, Vector total) {
                    read[p + r][key + i] = total * inverse[head][p + r];
                });
            });
        }
    }

    //   d_weight[j] = d_read . v[j]
    //   d_score[j]  = weight[j] (d_weight[j] - d_read . read)
    //   d_q         = sum of d_score[j] k[j] / sqrt(head_width)
    //   d_k[j]      = sum of d_score[j] q / sqrt(head_width), over the queries that see it
    //   d_v[j]      = sum of weight[j] d_read, over the same
    // The gradient by `read` is used up.
    void backward(const Vector (*key_value)[2 * attention_width], Vector (*d_read)[attention_width],
                  Vector (*d_query)[attention_width], Vector (*d_key_value)[2 * attention_width]) {
        for (int head = 0; head < heads; ++head) {
            const int key = head * head_width, value = attention_width + key;
            in_stretches<queries, tile_rows>([&]<int rows>(int p) {
                const int seen = seen_by(p + rows - 1);
                Vector dot[rows] = {};
                for (int r = 0; r < rows; ++r)
                    for (int i = key; i < key + head_width; ++i) {
                        // With the factor of weights in here, powers take their place.
                        d_read[p + r][i] *= inverse[head][p + r];
                        dot[r] += d_read[p + r][i] * read[p + r][i];
                    }
                multiply<rows>(seen, d_read + p, key, key_value, value, [&](int r, int j, Vector d_weight) {
                    d_score[head][p + r][j] = power[head][p + r][j] * (d_weight - dot[r]);
                });
                combine<rows>(seen, d_score[head] + p, key_value, key, [&](int r, int i, Vector total) {
                    d_query[p + r][key + i] = total * scale();
                });
            });
            spread(d_score[head], scaled, key, d_key_value, key);
            spread(power[head], d_read, key, d_key_value, value);
        }
    }

private:
    static constexpr int neighbours = stretch(length, tile_rows);

    static Scalar scale() { return 1 / std::sqrt(static_cast<Scalar>(head_width)); }

    // How many positions are computed for a query: whole stretches of neighbours.
    static int seen_by(int p) {
        const int seen = (first_query + p) / neighbours * neighbours + neighbours;
        return seen < length ? seen : length;
    }

    // Write the products of a head's features of queries, from a on, and of positions, from b on, for all pairs.
    template <int rows, class Write>
    static void multiply(int seen, const Vector (*of_query)[attention_width], int a,
                         const Vector (*of_position)[2 * attention_width], int b, Write write) {
        const auto tile = [&]<int columns>(int j) {
            Vector sum[rows][columns] = {};
            add_products(
                sum, 0, head_width, [&](int r, int i) { return of_query[r][a + i]; },
                [&](int i, int c) { return of_position[j + c][b + i]; });
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
                for (int c = 0; c < columns; ++c) write(r, j + c, sum[r][c]);
        };
        int j = 0;
        for (; j + neighbours <= seen; j += neighbours) tile.template operator()<neighbours>(j);
        if constexpr (length % neighbours > 0)
            if (j < seen) tile.template operator()<length % neighbours>(j);
    }

    // Write the sums over positions j of factor[r][j] times a head's features of the position, from b on.
    template <int rows, class Write>
    static void combine(int seen, const Vector (*factor)[length],
                        const Vector (*of_position)[2 * attention_width], int b, Write write) {
        in_stretches<head_width, tile_columns>([&]<int columns>(int i) {
            Vector sum[rows][columns] = {};
            add_products(
                sum, 0, seen, [&](int r, int j) { return factor[r][j]; },
                [&](int j, int c) { return of_position[j][b + i + c]; });
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
                for (int c = 0; c < columns; ++c) write(r, i + c, sum[r][c]);
        });
    }

    // total[j] = sum over the queries p that see position j of factor[p][j] of_query[p].
    static void spread(const Vector (*factor)[length], const Vector (*of_query)[attention_width], int a,
                       Vector (*total)[2 * attention_width], int b) {
        in_stretches<head_width, tile_columns>([&]<int columns>(int i) {
            in_stretches<length, neighbours>([&]<int rows>(int j) {
                Vector sum[rows][columns] = {};
                // Queries before this one see none of these positions.
                const int first = j > first_query ? j - first_query : 0;
                add_products(
                    sum, first, queries, [&](int r, int p) { return factor[p][j + r]; },
                    [&](int p, int c) { return of_query[p][a + i + c]; });
#pragma GCC unroll 8
                for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
                    for (int c = 0; c < columns; ++c) total[j + r][b + i + c] = sum[r][c];
            });
        });
    }

    // Turn scores into exp(score - the largest), and return their sum; beyond `visible` they become 0.
    static Vector exponentiate(Vector* scores, int visible, int seen) {
        Vector best = scores[0];
        for (int j = 1; j < visible; ++j) best = largest_of(best, scores[j]);
        Vector sum{};
        for (int j = 0; j < visible; ++j) {
            scores[j] = exp(scores[j] - best);
            sum += scores[j];
        }
        for (int j = visible; j < seen; ++j) scores[j] = Vector{};
        return sum;
    }
};

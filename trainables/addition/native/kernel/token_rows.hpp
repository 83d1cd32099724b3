// What the first layer reads depends on position and token alone, so it is computed once a step for every
// pair of the two, and looked up for the samples.
//
// A row holds keys, values, queries and the embedding of one token at one position. Rows are computed
// with tokens in the lanes, by the same code that has samples in the lanes elsewhere, and stored so that
// a row's numbers are neighbours. To look up is to load one row for each lane and transpose.
#pragma once

#include "parameters.hpp"
#include "projection.hpp"

template <int queries>
struct TokenRows {
    static constexpr int first_query = length - queries;
    static constexpr int padded_vocabulary = rounded_up_to_lanes(vocabulary);
    static constexpr int groups = padded_vocabulary / lanes;
    static constexpr int read_width = 2 * attention_width;
    static constexpr int asked_width = attention_width + d_model;
    static constexpr int read_stride = rounded_up_to_lanes(read_width);
    static constexpr int asked_stride = rounded_up_to_lanes(asked_width);

    // Of every token that is read its keys and values, and of those that are asked the rest.
    alignas(vector_bytes) Scalar read[length][padded_vocabulary][read_stride];
    alignas(vector_bytes) Scalar asked[queries][padded_vocabulary][asked_stride];
    alignas(vector_bytes) Scalar d_read[length][padded_vocabulary][read_stride];
    alignas(vector_bytes) Scalar d_asked[queries][padded_vocabulary][asked_stride];
    Projection<queries> projection[groups];
    // Of the samples in the lanes.
    Vector x[queries][d_model], query[queries][attention_width], key_value[length][2 * attention_width];
    // Of the tokens in the lanes.
    Vector embedded[length][d_model], d_embedded[length][d_model];
    Vector d_query[queries][attention_width], d_key_value[length][2 * attention_width];

    void forward(const Parameters<const Scalar>& w) {
        for (int group = 0; group < groups; ++group) {
            embed(w, group * lanes, embedded);
            projection[group].forward(w, 0, embedded);
            for (int t = 0; t < length; ++t)
                to_rows<read_width>(projection[group].key_value[t], read[t][group * lanes], read_stride);
            for (int p = 0; p < queries; ++p) {
                Vector both[asked_width];
                join(projection[group].query[p], embedded[first_query + p], both);
                to_rows<asked_width>(both, asked[p][group * lanes], asked_stride);
            }
        }
        set_to_zero(d_read);
        set_to_zero(d_asked);
    }

    // Look up what the lanes' tokens have, `tokens` per position and lane.
    Input gather(const int (*tokens)[lanes]) {
        for (int t = 0; t < length; ++t)
            gather_rows<read_width>(read[t][0], read_stride, tokens[t], key_value[t]);
        for (int p = 0; p < queries; ++p) {
            Vector both[asked_width];
            gather_rows<asked_width>(asked[p][0], asked_stride, tokens[first_query + p], both);
            part(both, query[p], x[p]);
        }
        return {x, query, key_value};
    }

    // Add the gradients of the lanes to those of their tokens' rows.
    void scatter(const int (*tokens)[lanes], const Vector (*by_key_value)[2 * attention_width],
                 const Vector (*by_query)[attention_width], const Vector (*dx)[d_model]) {
        for (int t = 0; t < length; ++t)
            scatter_rows<read_width>(by_key_value[t], tokens[t], d_read[t][0], read_stride);
        for (int p = 0; p < queries; ++p) {
            Vector both[asked_width];
            join(by_query[p], dx[p], both);
            scatter_rows<asked_width>(both, tokens[first_query + p], d_asked[p][0], asked_stride);
        }
    }

    // Pass the rows' gradients on to the weights. What embeddings get is the same for a token in every
    // sample, so it is added to one lane only; lanes are summed in the end.
    void backward(const Parameters<const Scalar>& w, const Parameters<Vector>& d) {
        for (int group = 0; group < groups; ++group) {
            set_to_zero(d_embedded);
            for (int t = 0; t < length; ++t)
                from_rows<read_width>(d_read[t][group * lanes], read_stride, d_key_value[t]);
            for (int p = 0; p < queries; ++p) {
                Vector both[asked_width];
                from_rows<asked_width>(d_asked[p][group * lanes], asked_stride, both);
                part(both, d_query[p], d_embedded[first_query + p]);
            }
            projection[group].backward(w, 0, d_query, d_key_value, d_embedded, d.layer[0]);
            for (int i = 0; i < d_model; ++i) {
                Vector of_tokens{};
                for (int t = 0; t < length; ++t) {
                    of_tokens += d_embedded[t][i];
                    if constexpr (adds_positions) d.positions[t * d_model + i] += d_embedded[t][i];
                }
                for (int lane = 0; lane < lanes && group * lanes + lane < vocabulary; ++lane)
                    d.embedding[(group * lanes + lane) * d_model + i][0] += of_tokens[lane];
            }
        }
    }

private:
    // x[t] = embedding[token] + positions[t], tokens from `first` on in the lanes; zero beyond the last.
    static void embed(const Parameters<const Scalar>& w, int first, Vector (*x)[d_model]) {
        for (int i = 0; i < d_model; ++i) {
            Vector of_tokens{};
            for (int lane = 0; lane < lanes && first + lane < vocabulary; ++lane)
                of_tokens[lane] = w.embedding[(first + lane) * d_model + i];
            for (int t = 0; t < length; ++t) {
                x[t][i] = of_tokens;
                if constexpr (adds_positions) x[t][i] += w.positions[t * d_model + i];
            }
        }
    }

    // What is asked, one after the other: a query and the stream's vector at its position.
    static void join(const Vector* a_query, const Vector* a_stream, Vector* both) {
        std::memcpy(both, a_query, sizeof(Vector) * attention_width);
        std::memcpy(both + attention_width, a_stream, sizeof(Vector) * d_model);
    }

    static void part(const Vector* both, Vector* a_query, Vector* a_stream) {
        std::memcpy(a_query, both, sizeof(Vector) * attention_width);
        std::memcpy(a_stream, both + attention_width, sizeof(Vector) * d_model);
    }

    // Write `width` features as one row for each lane, the rows `stride` numbers apart.
    template <int width>
    static void to_rows(const Vector* features, Scalar* rows, int stride) {
        for_tiles<width>(features, [&](int first, Tile& tile) {
            for (int lane = 0; lane < lanes; ++lane) store(rows + lane * stride + first, tile[lane]);
        });
    }

    template <int width>
    static void from_rows(const Scalar* rows, int stride, Vector* features) {
        int every_lane[lanes];
        for (int lane = 0; lane < lanes; ++lane) every_lane[lane] = lane;
        gather_rows<width>(rows, stride, every_lane, features);
    }

    template <int width>
    static void gather_rows(const Scalar* rows, int stride, const int* row_of_lane, Vector* features) {
        for (int first = 0; first < width; first += lanes) {
            Tile tile;
#pragma GCC unroll 16
            for (int lane = 0; lane < lanes; ++lane)
                tile[lane] = load(rows + row_of_lane[lane] * stride + first);
            transpose(tile);
#pragma GCC unroll 16
            for (int i = 0; i < lanes; ++i)
                if (first + i < width) features[first + i] = tile[i];
        }
    }

    template <int width>
    static void scatter_rows(const Vector* features, const int* row_of_lane, Scalar* rows, int stride) {
        for_tiles<width>(features, [&](int first, Tile& tile) {
            for (int lane = 0; lane < lanes; ++lane) {
                Scalar* row = rows + row_of_lane[lane] * stride + first;
                store(row, load(row) + tile[lane]);
            }
        });
    }

    // Call body(first, tile) with each stretch of features transposed: tile[lane] holds a lane's features.
    template <int width, class Body>
    static void for_tiles(const Vector* features, Body body) {
        for (int first = 0; first < width; first += lanes) {
            Tile tile;
#pragma GCC unroll 16
            for (int i = 0; i < lanes; ++i) tile[i] = first + i < width ? features[first + i] : Vector{};
            transpose(tile);
            body(first, tile);
        }
    }
};

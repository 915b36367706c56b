// Convolutions of stride 1 by Winograd's minimal filtering (Lavin & Gray, arXiv:1509.09308): 36 products where a
// 3x3 filter over 4x4 results takes 144 and a 5x5 filter over 2x2 results 100. Images lie channels last (N H W C),
// filters and their gradients as Caffe keeps them (K C h w). Everything works on 6x6 tiles, at the points
// 0, 1, -1, 2, -2 and infinity: only the matrices A (of the results) and G (of the filters) depend on the size.

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "winograd.h"

namespace {

// Bytes of transformed tiles at a time: as many as of filters, which are read again each time, but FEWEST for each
// thread, and no more than caches hold.
constexpr long FEWEST = 1 << 20, MOST = 12 << 20;

inline Lanes load(const float *from, long count) {
    Lanes lanes = {};
    if (count >= LANES) return *(const Lanes *)from;
    std::memcpy(&lanes, from, count * sizeof(float));
    return lanes;
}

inline void store(float *to, Lanes lanes, long count) {
    if (count >= LANES)
        *(Lanes *)to = lanes;
    else
        std::memcpy(to, &lanes, count * sizeof(float));
}

// Floats from one point's values to the next one's: not a power of two, which would share few lines of the cache.
inline long apart(long floats) { return floats + COLUMNS; }

inline long padded(long channels) { return (channels + COLUMNS - 1) / COLUMNS * COLUMNS; }

inline long odd(long columns) { return columns | COLUMNS; }  // from one tile to the next, for the same reason

struct Image {  // one group's channels of a batch
    float *data;
    long height, width, channels, all_channels;
    float *at(long n, long y, long x) const { return data + ((n * height + y) * width + x) * all_channels; }
};

struct Tiles {  // rows of tiles: `first` … `last` of all rows of all images
    float *data;  // (36, tiles, stride), of which `columns` are used
    long columns, stride, down, across, first, last;
    long count() const { return (last - first) * across; }
    float *at(long point, long tile) const { return data + point * apart(count() * stride) + tile * stride; }
};

// Tiles = L image L', from squares of L::WIDTH pixels, `step` apart, the first at -pad.
template <class L> void take_row(const Image &image, const Tiles &tiles, long row, long step, long pad_y, long pad_x) {
    const long n = row / tiles.down, top = row % tiles.down * step - pad_y;
    for (long tx = 0; tx < tiles.across; ++tx) {
        const long left = tx * step - pad_x, tile = (row - tiles.first) * tiles.across + tx;
        for (long c = 0; c < image.channels; c += LANES) {
            Lanes in[L::WIDTH * L::WIDTH], out[POINTS];
            for (long i = 0; i < L::WIDTH; ++i)
                for (long j = 0; j < L::WIDTH; ++j) {
                    const long y = top + i, x = left + j;
                    const bool inside = y >= 0 && y < image.height && x >= 0 && x < image.width;
                    in[i * L::WIDTH + j] = inside ? load(image.at(n, y, x) + c, image.channels - c) : Lanes{};
                }
            sandwich<L>(in, out);
            for (long p = 0; p < POINTS; ++p) *(Lanes *)(tiles.at(p, tile) + c) = out[p];
        }
    }
}

// The image's squares of M pixels = A' tiles A + bias.
template <int M> void give_row(const Tiles &tiles, const Image &image, long row, const float *bias) {
    const long n = row / tiles.down, top = row % tiles.down * M;
    for (long tx = 0; tx < tiles.across; ++tx) {
        const long left = tx * M, tile = (row - tiles.first) * tiles.across + tx;
        for (long c = 0; c < image.channels; c += LANES) {
            Lanes in[POINTS], out[M * M], term = bias ? load(bias + c, image.channels - c) : Lanes{};
            for (long p = 0; p < POINTS; ++p) in[p] = *(const Lanes *)(tiles.at(p, tile) + c);
            sandwich<OutputT<M>>(in, out);
            for (long i = 0; i < std::min<long>(M, image.height - top); ++i)
                for (long j = 0; j < std::min<long>(M, image.width - left); ++j)
                    store(image.at(n, top + i, left + j) + c, out[i * M + j] + term, image.channels - c);
        }
    }
}

// Adds B tiles B' to the image, where tiles overlap; channels `c` … `c` + 8.
template <int M> void add_back(const Tiles &tiles, const Image &image, long c, long pad_y, long pad_x) {
    for (long tile = 0; tile < tiles.count(); ++tile) {
        const long row = tiles.first + tile / tiles.across, n = row / tiles.down;
        const long top = row % tiles.down * M - pad_y, left = tile % tiles.across * M - pad_x;
        Lanes in[POINTS], out[POINTS];
        for (long p = 0; p < POINTS; ++p) in[p] = *(const Lanes *)(tiles.at(p, tile) + c);
        sandwich<Transposed<InputT>>(in, out);
        for (long i = std::max(0L, -top); i < std::min(TILE, image.height - top); ++i)
            for (long j = std::max(0L, -left); j < std::min(TILE, image.width - left); ++j) {
                float *pixel = image.at(n, top + i, left + j) + c;
                store(pixel, load(pixel, image.channels - c) + out[i * TILE + j], image.channels - c);
            }
    }
}

// R x 16 values: out (+)= Σ a[row, d] b[d, column], d < depth.
template <int R>
inline void block(const float *a, long row, long step, const float *b, long b_step, long depth, float *out, long stride,
                  bool add) {
    Lanes sums[R][2] = {};
    for (long d = 0; d < depth; ++d, a += step, b += b_step) {
        const Lanes left = *(const Lanes *)b, right = *(const Lanes *)(b + LANES);
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
            sums[r][0] += a[r * row] * left;
            sums[r][1] += a[r * row] * right;
        }
    }
    for (int r = 0; r < R; ++r)
        for (int half = 0; half < 2; ++half) {
            Lanes *to = (Lanes *)(out + r * stride + half * LANES);
            *to = add ? *to + sums[r][half] : sums[r][half];
        }
}

inline void blocks(long count, const float *a, long row, long step, const float *b, long b_step, long depth, float *out,
                   long stride, bool add) {
    long r = 0;
    for (; r + ROWS <= count; r += ROWS)
        block<ROWS>(a + r * row, row, step, b, b_step, depth, out + r * stride, stride, add);
    a += r * row, out += r * stride;
    switch (count - r) {
        case 5: return block<5>(a, row, step, b, b_step, depth, out, stride, add);
        case 4: return block<4>(a, row, step, b, b_step, depth, out, stride, add);
        case 3: return block<3>(a, row, step, b, b_step, depth, out, stride, add);
        case 2: return block<2>(a, row, step, b, b_step, depth, out, stride, add);
        case 1: return block<1>(a, row, step, b, b_step, depth, out, stride, add);
    }
}

// The filters at each point, as the right side of a product: (36, columns / 16, rows, 16); filters (k, c) lie at
// k * k_step + c * c_step, and rows and columns are c and k, or k and c.
template <int R>
void pack(const float *filters, float *packed, long rows, long row_step, long columns, long column_step) {
    const long all = padded(columns);
#pragma omp for collapse(2)
    for (long column = 0; column < all; column += LANES)
        for (long row = 0; row < rows; ++row) {
            Lanes in[R * R] = {}, out[POINTS];
            for (long l = 0; l < std::min(LANES, columns - column); ++l)
                for (long i = 0; i < R * R; ++i) in[i][l] = filters[row * row_step + (column + l) * column_step + i];
            sandwich<Filter<R>>(in, out);
            const long at = (column / COLUMNS * rows + row) * COLUMNS + column % COLUMNS;
            for (long p = 0; p < POINTS; ++p) *(Lanes *)(packed + p * apart(rows * all) + at) = out[p];
        }
}

// out[point] = tiles[point] packed[point], for all points.
void times_filters(const Tiles &tiles, long depth, const float *packed, const Tiles &out) {
#pragma omp for collapse(2) schedule(dynamic)
    for (long p = 0; p < POINTS; ++p)
        for (long column = 0; column < out.columns; column += COLUMNS)
            blocks(tiles.count(), tiles.at(p, 0), tiles.stride, 1,
                   packed + p * apart(depth * out.columns) + column * depth, COLUMNS, depth, out.at(p, 0) + column,
                   out.stride, false);
}

// Without a barrier at its end: sums[point] (+)= in[point]' above[point], for all points; sums (36, k / 16, c, 16).
void times_each_other(const Tiles &in, long channels, const Tiles &above, float *sums, bool add) {
#pragma omp for collapse(2) schedule(dynamic) nowait
    for (long p = 0; p < POINTS; ++p)
        for (long column = 0; column < above.columns; column += COLUMNS)
            blocks(channels, in.at(p, 0), 1, in.stride, above.at(p, 0) + column, above.stride, in.count(),
                   sums + p * apart(channels * above.columns) + column * channels, COLUMNS, add);
}

// gradient (k, c, R, R) = G' sums G.
template <int R> void unpack(const float *sums, float *gradient, long channels, long results) {
    const long all = padded(results);
#pragma omp for collapse(2)
    for (long k = 0; k < results; k += LANES)
        for (long c = 0; c < channels; ++c) {
            Lanes in[POINTS], out[R * R];
            const long at = (k / COLUMNS * channels + c) * COLUMNS + k % COLUMNS;
            for (long p = 0; p < POINTS; ++p) in[p] = *(const Lanes *)(sums + p * apart(channels * all) + at);
            sandwich<Transposed<Filter<R>>>(in, out);
            for (long l = 0; l < std::min(LANES, results - k); ++l)
                for (long i = 0; i < R * R; ++i) gradient[((k + l) * channels + c) * R * R + i] = out[i][l];
        }
}

float *allocate(long floats) { return (float *)std::aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64); }

struct Sizes {
    long images, height, width, channels, results, pad_y, pad_x, out_height, out_width, groups, threads;
};

struct Plan {  // for one group: the tiles' geometry and how many rows of them to take at a time
    long c, k, down, across, rows, chunk;
    Plan(const Sizes &s, long m) {
        c = s.channels / s.groups, k = s.results / s.groups;
        down = (s.out_height + m - 1) / m, across = (s.out_width + m - 1) / m, rows = s.images * down;
        const long size = POINTS * sizeof(float), row = across * (padded(c) + padded(k)) * size;
        const long bytes = std::min(std::max(padded(c) * padded(k) * size, FEWEST * s.threads), MOST);
        chunk = std::min(rows, std::max(2 * s.threads, bytes / row));
    }
    Tiles tiles(float *data, long channels, long first) const {
        return {data, padded(channels), odd(padded(channels)), down, across, first, std::min(first + chunk, rows)};
    }
    float *buffer(long channels) const { return allocate(POINTS * apart(chunk * across * odd(padded(channels)))); }
};

template <int M> void forward(const float *x, const float *w, const float *bias, float *y, const Sizes &s) {
    constexpr int R = 7 - M;
    const Plan plan(s, M);
    float *filters = allocate(POINTS * apart(plan.c * padded(plan.k)));
    float *in = plan.buffer(plan.c), *out = plan.buffer(plan.k);
#pragma omp parallel num_threads(s.threads)
    for (long g = 0; g < s.groups; ++g) {
        const Image below = {(float *)x + g * plan.c, s.height, s.width, plan.c, s.channels};
        const Image above = {y + g * plan.k, s.out_height, s.out_width, plan.k, s.results};
        pack<R>(w + g * plan.k * plan.c * R * R, filters, plan.c, R * R, plan.k, plan.c * R * R);
        for (long first = 0; first < plan.rows; first += plan.chunk) {
            const Tiles tiles = plan.tiles(in, plan.c, first), results = plan.tiles(out, plan.k, first);
#pragma omp for schedule(dynamic)
            for (long row = first; row < tiles.last; ++row)
                take_row<InputT>(below, tiles, row, M, s.pad_y, s.pad_x);
            times_filters(tiles, plan.c, filters, results);
#pragma omp for schedule(dynamic) nowait  // the next chunk's first barrier comes before its results
            for (long row = first; row < tiles.last; ++row)
                give_row<M>(results, above, row, bias ? bias + g * plan.k : nullptr);
        }
    }
    std::free(filters), std::free(in), std::free(out);
}

// Bottom's, filters' and bias's gradients from the top's; each may be null, where it is not wanted.
template <int M>
void backward(const float *x, const float *w, const float *dy, float *dx, float *dw, float *db, const Sizes &s) {
    constexpr int R = 7 - M;
    const Plan plan(s, M);
    float *filters = dx ? allocate(POINTS * apart(plan.k * padded(plan.c))) : nullptr;
    float *sums = dw ? allocate(POINTS * apart(plan.c * padded(plan.k))) : nullptr;
    float *in = dw ? plan.buffer(plan.c) : nullptr, *out = plan.buffer(plan.k);
    float *back = dx ? plan.buffer(plan.c) : nullptr;  // not `in`, which other threads may still be reading
    if (dx) std::memset(dx, 0, s.images * s.height * s.width * s.channels * sizeof(float));
    if (db) std::memset(db, 0, s.results * sizeof(float));
#pragma omp parallel num_threads(s.threads)
    for (long g = 0; g < s.groups; ++g) {
        const Image bottom = {(float *)x + g * plan.c, s.height, s.width, plan.c, s.channels};
        const Image below = {dx + g * plan.c, s.height, s.width, plan.c, s.channels};
        const Image above = {(float *)dy + g * plan.k, s.out_height, s.out_width, plan.k, s.results};
        if (dx) pack<R>(w + g * plan.k * plan.c * R * R, filters, plan.k, plan.c * R * R, plan.c, R * R);
        for (long first = 0; first < plan.rows; first += plan.chunk) {
            const Tiles tiles = plan.tiles(in, plan.c, first), results = plan.tiles(out, plan.k, first);
#pragma omp for schedule(dynamic)
            for (long row = first; row < tiles.last; ++row) {
                take_row<Transposed<OutputT<M>>>(above, results, row, M, 0, 0);
                if (dw) take_row<InputT>(bottom, tiles, row, M, s.pad_y, s.pad_x);
            }
            if (dw) times_each_other(tiles, plan.c, results, sums, first > 0);
            if (db) {
#pragma omp for nowait
                for (long k = 0; k < plan.k; ++k)  // at the point (1, 1) a tile holds the sum of its square
                    for (long tile = 0; tile < results.count(); ++tile)
                        db[g * plan.k + k] += results.at(TILE + 1, tile)[k];
            }
            if (dx) {
                const Tiles gradients = plan.tiles(back, plan.c, first);
                times_filters(results, plan.k, filters, gradients);
#pragma omp for schedule(dynamic) nowait
                for (long c = 0; c < plan.c; c += LANES) add_back<M>(gradients, below, c, s.pad_y, s.pad_x);
            } else {
#pragma omp barrier
            }
        }
        if (dw) unpack<R>(sums, dw + g * plan.k * plan.c * R * R, plan.c, plan.k);
    }
    std::free(filters), std::free(sums), std::free(in), std::free(out), std::free(back);
}

}  // namespace

extern "C" void winograd_forward(int filter, const float *x, const float *w, const float *bias, float *y,
                                 const long *sizes) {
    (filter == 3 ? forward<4> : forward<2>)(x, w, bias, y, *(const Sizes *)sizes);
}

extern "C" void winograd_backward(int filter, const float *x, const float *w, const float *dy, float *dx, float *dw,
                                  float *db, const long *sizes) {
    (filter == 3 ? backward<4> : backward<2>)(x, w, dy, dx, dw, db, *(const Sizes *)sizes);
}

// The matrices of Winograd's algorithm for 6x6 tiles, and their products with squares of values (see winograd.cpp).

#pragma once

namespace {

typedef float Lanes __attribute__((vector_size(32), aligned(4), may_alias));  // 8 channels
constexpr long TILE = 6, POINTS = 36, LANES = 8, COLUMNS = 16, ROWS = 6;

constexpr double BT[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                             {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
constexpr double POINT[5] = {0, 1, -1, 2, -2}, WEIGHT[5] = {1. / 4, -1. / 6, -1. / 6, 1. / 24, 1. / 24};

constexpr double power(double x, int n) { return n ? x * power(x, n - 1) : 1; }

// The matrices: `at(i, j)`, HEIGHT rows of WIDTH.
struct InputT {
    static constexpr int HEIGHT = 6, WIDTH = 6;
    static constexpr double at(int i, int j) { return BT[i][j]; }
};
template <int M> struct OutputT {
    static constexpr int HEIGHT = M, WIDTH = 6;
    static constexpr double at(int i, int j) { return j < 5 ? power(POINT[j], i) : i == M - 1; }
};
template <int R> struct Filter {
    static constexpr int HEIGHT = 6, WIDTH = R;
    static constexpr double at(int i, int j) { return i < 5 ? WEIGHT[i] * power(POINT[i], j) : j == R - 1; }
};
template <class L> struct Transposed {
    static constexpr int HEIGHT = L::WIDTH, WIDTH = L::HEIGHT;
    static constexpr double at(int i, int j) { return L::at(j, i); }
};

template <class L, int I, int J> inline void add_term(Lanes &sum, const Lanes *in, long step) {
    if constexpr (J < L::WIDTH) {
        constexpr float factor = L::at(I, J);
        if constexpr (factor != 0) sum += factor * in[J * step];
        add_term<L, I, J + 1>(sum, in, step);
    }
}

template <class L, int I = 0> inline void multiply(const Lanes *in, long step, Lanes *out, long out_step) {
    if constexpr (I < L::HEIGHT) {
        Lanes sum = {};
        add_term<L, I, 0>(sum, in, step);
        out[I * out_step] = sum;
        multiply<L, I + 1>(in, step, out, out_step);
    }
}

// out = L in L', a square of 8 channels each.
template <class L> inline void sandwich(const Lanes *in, Lanes *out) {
    Lanes half[L::HEIGHT * L::WIDTH];
    for (int j = 0; j < L::WIDTH; ++j) multiply<L>(in + j, L::WIDTH, half + j, L::WIDTH);
    for (int i = 0; i < L::HEIGHT; ++i) multiply<L>(half + i * L::WIDTH, 1, out + i * L::HEIGHT, 1);
}

}  // namespace

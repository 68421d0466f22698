// rls.py's rule in C++. P is symmetric: its lower triangle is kept, row i at i*(i+1)/2. Memory
// is the limit, so each update reads and writes it once: the previous update's subtraction is
// deferred, and done in the same pass as this update's product.

using brianlearn::all;
using brianlearn::fused;
using brianlearn::lanes;
using brianlearn::LANES;
using brianlearn::load;
using brianlearn::store;

enum { OUTPUT_NOT_A_NUMBER = 1, TARGET_NOT_A_NUMBER = 2, INDEFINITE = 3, RUNAWAY = 4 };

struct Norms { double trace, squares; };

// Rows worked on at a time: g, x and y are read once for all of them.
enum { ROWS = brianlearn::REGISTERS / 4 };

// P -= c g g^T, then y += P x, in some rows below each other: `factor` is -c g there, `here` is x.
struct Band {
    double *row[ROWS], factor[ROWS], here[ROWS];
    lanes product[ROWS], squares;  // sums along each row; below the diagonal

    // VECTORS of columns, from column j on.
    template <int VECTORS>
    inline void go_on(size_t j, const double* g, const double* x, double* y)
    {
        lanes yj[VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) yj[v] = load(y + j + v * LANES);
#pragma GCC unroll 8
        for (int q = 0; q < ROWS; q++) {
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; v++) {
                const size_t at = j + v * LANES;
                const lanes p = fused(all(factor[q]), load(g + at), load(row[q] + at));
                store(row[q] + at, p);
                product[q] = fused(p, load(x + at), product[q]);
                yj[v] = fused(p, all(here[q]), yj[v]);
                squares = fused(p, p, squares);
            }
        }
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) store(y + j + v * LANES, yj[v]);
    }
};

// P -= c g g^T, then y = P x; returns the trace of P and its squared Frobenius norm.
static Norms subtract_and_multiply(double* P, const double* g, double c, const double* x, double* y,
                                   size_t n)
{
    const brianlearn::FlushTinyToZero scope;
    double trace = 0, squares = 0;
    lanes below = {};  // squares of the entries below the diagonal, which count twice
    for (size_t i = 0; i < n; i++) y[i] = 0;
    for (size_t i = 0; i < n; i += ROWS) {
        const size_t rows = i + ROWS <= n ? ROWS : n - i;
        Band band;
        for (size_t q = 0; q < rows; q++) {
            band.row[q] = P + (i + q) * (i + q + 1) / 2;
            band.factor[q] = -c * g[i + q];
            band.here[q] = x[i + q];
        }
        double s[ROWS] = {0};
        size_t j = 0;
        if (rows == ROWS) {
            for (int q = 0; q < ROWS; q++) band.product[q] = all(0);
            band.squares = below;
            for (; j + 2 * LANES <= i; j += 2 * LANES) band.go_on<2>(j, g, x, y);
            for (; j + LANES <= i; j += LANES) band.go_on<1>(j, g, x, y);
            below = band.squares;
            for (int q = 0; q < ROWS; q++) s[q] = brianlearn::sum(band.product[q]);
        }
        for (size_t q = 0; q < rows; q++) {  // what is left of each row, up to the diagonal
            double *const row = band.row[q], f = band.factor[q];
            for (size_t l = j; l < i + q; l++) {
                const double p = row[l] += f * g[l];
                s[q] += p * x[l];
                y[l] += p * x[i + q];
                squares += 2 * p * p;
            }
            const double p = row[i + q] += f * g[i + q];
            s[q] += p * x[i + q];
            trace += p;
            squares += p * p;
        }
        for (size_t q = 0; q < rows; q++) y[i + q] += s[q];
    }
    return {trace, squares + 2 * brianlearn::sum(below)};
}

int recursive_least_squares(
    Array<int64_t> step, Array<char> learning, Array<int64_t> every, Array<int64_t> start,
    Array<int64_t> stop, Array<char> exact, Array<double> r, Array<double> z, Array<double> target,
    Array<double> error, Array<double> phi, Array<double> P_packed, Array<double> k, Array<double> pending,
    Array<double> product, Array<double> q, Array<double> P_trace, Array<double> P_norm,
    Array<int64_t> updates, Array<int64_t> runaway, Array<double> runaway_error)
{
    const size_t n = r.size;
    double largest = 0;
    for (size_t o = 0; o < z.size; o++) {
        error[o] = z[o] - target[o];
        if (!std::isfinite(z[o])) return OUTPUT_NOT_A_NUMBER;
        if (!std::isfinite(target[o])) return TARGET_NOT_A_NUMBER;
        largest = std::fmax(largest, std::fabs(error[o]));
    }
    if (!learning[0] || step[0] % every[0] != 0 || step[0] <= start[0] || step[0] >= stop[0])
        return 0;

    const Norms norms = subtract_and_multiply(P_packed.data, k.data, pending[0], r.data, product.data, n);
    q[0] = brianlearn::dot(r.data, product.data, n);
    if (!(q[0] >= 0)) return INDEFINITE;
    pending[0] = 1 / (1 + q[0]);
    for (size_t i = 0; i < n; i++) k[i] = product[i];

    for (size_t o = 0; o < z.size; o++) {
        const double length = exact[0] ? error[o] * pending[0] : error[o];
        double* decoders = phi.data + o * n;
        for (size_t i = 0; i < n; i++) decoders[i] -= length * k[i];
    }

    P_trace[0] = norms.trace;
    P_norm[0] = std::sqrt(norms.squares);
    updates[0] += 1;
    if (exact[0] || q[0] <= 2) runaway[0] = 0;
    else if (runaway[0]++ == 0) runaway_error[0] = largest;
    return runaway[0] >= 20 && largest > runaway_error[0] ? RUNAWAY : 0;
}

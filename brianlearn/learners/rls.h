// rls.py's rule in C++. P is symmetric: its lower triangle is kept, row i at i*(i+1)/2. Memory
// is the limit, so each update reads and writes it once: the previous update's subtraction is
// deferred, and done in the same pass as this update's product.

using brianlearn::all;
using brianlearn::fused;
using brianlearn::load;
using brianlearn::store;
using brianlearn::v8;

enum { OUTPUT_NOT_A_NUMBER = 1, TARGET_NOT_A_NUMBER = 2, INDEFINITE = 3, RUNAWAY = 4 };

struct Norms { double trace, squares; };

enum { ROWS = 8 };  // worked on at a time: x, y and g are read once for all of them

// P -= c g g^T, then y = P x; returns the trace of P and its squared Frobenius norm.
static Norms subtract_and_multiply(double* P, const double* g, double c, const double* x, double* y,
                                   size_t n)
{
    const brianlearn::FlushTinyToZero scope;
    double trace = 0, squares = 0;
    v8 below = {0};  // squares of the entries below the diagonal, which count twice
    for (size_t i = 0; i < n; i++) y[i] = 0;
    for (size_t i = 0; i < n; i += ROWS) {
        const size_t rows = i + ROWS <= n ? ROWS : n - i;
        double *row[ROWS], f[ROWS], s[ROWS] = {0};
        for (size_t q = 0; q < rows; q++) {
            row[q] = P + (i + q) * (i + q + 1) / 2;
            f[q] = -c * g[i + q];
        }
        size_t j = 0;
        if (rows == ROWS) {
            v8 a[ROWS];
            for (int q = 0; q < ROWS; q++) a[q] = all(0);
            for (; j + 8 <= i; j += 8) {
                const v8 xj = load(x + j), gj = load(g + j);
                v8 yj = load(y + j);
#pragma GCC unroll 8
                for (int q = 0; q < ROWS; q++) {
                    const v8 p = fused(all(f[q]), gj, load(row[q] + j));
                    store(row[q] + j, p);
                    a[q] = fused(p, xj, a[q]);
                    yj = fused(p, all(x[i + q]), yj);
                    below = fused(p, p, below);
                }
                store(y + j, yj);
            }
            for (int q = 0; q < ROWS; q++) s[q] = brianlearn::sum(a[q]);
        }
        for (size_t q = 0; q < rows; q++) {  // what is left of each row, up to the diagonal
            for (size_t l = j; l < i + q; l++) {
                const double p = row[q][l] += f[q] * g[l];
                s[q] += p * x[l];
                y[l] += p * x[i + q];
                squares += 2 * p * p;
            }
            const double p = row[q][i + q] += f[q] * g[i + q];
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

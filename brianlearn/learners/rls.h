// rls.py's rule in C++. P is symmetric: its lower triangle is kept, row i at i*(i+1)/2. Memory
// is the limit, so each update reads and writes it once: the previous update's subtraction is
// deferred, and done in the same pass as this update's product.

using brianlearn::all;
using brianlearn::fused;
using brianlearn::load;
using brianlearn::store;
using brianlearn::v8;

enum { OUTPUT_NOT_A_NUMBER = 1, TARGET_NOT_A_NUMBER = 2, INDEFINITE = 3, RUNAWAY = 4 };

// P -= c g g^T, then y = P x; returns the trace of P and its squared Frobenius norm.
struct Norms { double trace, squares; };

static Norms subtract_and_multiply(double* P, const double* g, double c, const double* x, double* y,
                                   size_t n)
{
    const brianlearn::FlushTinyToZero scope;
    double trace = 0, squares = 0;
    v8 below = {0};  // squares of the entries below the diagonal, which count twice
    for (size_t i = 0; i < n; i++) y[i] = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {  // four rows at a time: x, y and g are read once for all of them
        double* row[4];
        double f[4], s[4];
        v8 a[4] = {{0}, {0}, {0}, {0}};
        for (int q = 0; q < 4; q++) {
            row[q] = P + (i + q) * (i + q + 1) / 2;
            f[q] = -c * g[i + q];
        }
        double *r0 = row[0], *r1 = row[1], *r2 = row[2], *r3 = row[3];
        const v8 x0 = all(x[i]), x1 = all(x[i + 1]), x2 = all(x[i + 2]), x3 = all(x[i + 3]);
        const v8 f0 = all(f[0]), f1 = all(f[1]), f2 = all(f[2]), f3 = all(f[3]);
        size_t j = 0;
        for (; j + 8 <= i; j += 8) {
            const v8 xj = load(x + j), gj = load(g + j);
            const v8 p0 = fused(f0, gj, load(r0 + j)), p1 = fused(f1, gj, load(r1 + j));
            const v8 p2 = fused(f2, gj, load(r2 + j)), p3 = fused(f3, gj, load(r3 + j));
            store(r0 + j, p0);
            store(r1 + j, p1);
            store(r2 + j, p2);
            store(r3 + j, p3);
            a[0] = fused(p0, xj, a[0]);
            a[1] = fused(p1, xj, a[1]);
            a[2] = fused(p2, xj, a[2]);
            a[3] = fused(p3, xj, a[3]);
            store(y + j, fused(p0, x0, fused(p1, x1, fused(p2, x2, fused(p3, x3, load(y + j))))));
            below = fused(p0, p0, fused(p1, p1, fused(p2, p2, fused(p3, p3, below))));
        }
        for (int q = 0; q < 4; q++) {  // what is left of each row, up to the diagonal
            s[q] = brianlearn::sum(a[q]);
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
        for (int q = 0; q < 4; q++) y[i + q] += s[q];
    }
    for (; i < n; i++) {
        double* r = P + i * (i + 1) / 2;
        double s = 0;
        for (size_t l = 0; l < i; l++) {
            const double p = r[l] -= c * g[i] * g[l];
            s += p * x[l];
            y[l] += p * x[i];
            squares += 2 * p * p;
        }
        const double p = r[i] -= c * g[i] * g[i];
        y[i] += s + p * x[i];
        trace += p;
        squares += p * p;
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

// optimizers.py's rules in C++.

// Whether the trial that ends with this step completes the batch.
static bool due(const Array<int64_t>& step, const Array<int64_t>& steps,
                const Array<char>& learning, const Array<int64_t>& seen,
                const Array<int64_t>& trials_per_update)
{
    if (step[0] < steps[0] - 1 || !learning[0]) return false;
    seen[0] = (seen[0] + 1) % trials_per_update[0];
    return seen[0] == 0;
}

enum { NOT_A_NUMBER = 1 };

static bool finite(const Array<double>& gradient)
{
    int wrong = 0;
    for (size_t k = 0; k < gradient.size; k++) wrong |= !(gradient[k] - gradient[k] == 0);
    return !wrong;
}

static double bounded(double w, double lower, double upper)
{
    return w < lower ? lower : w > upper ? upper : w;
}

// The other copies of the weights become the same as the first.
static void copy_weights(const Array<double>& weights, size_t n)
{
    for (size_t k = n; k < weights.size; k++) weights[k] = weights[k - n];
}

int gradient_descent(Array<int64_t> step, Array<int64_t> steps, Array<char> learning,
                     Array<int64_t> seen, Array<int64_t> trials_per_update, Array<double> scale,
                     Array<double> lower, Array<double> upper, Array<char> connected,
                     Array<double> gradient, Array<double> weights, Array<double> learning_rate)
{
    if (!due(step, steps, learning, seen, trials_per_update)) return 0;
    if (!finite(gradient)) return NOT_A_NUMBER;
    const double rate = learning_rate[0], factor = scale[0], low = lower[0], high = upper[0];
    const char* __restrict exists = connected.data;
    double *__restrict w = weights.data, *__restrict g = gradient.data;
    for (size_t k = 0; k < gradient.size; k++) {
        const double changed = bounded(w[k] - rate * (g[k] * factor), low, high);
        w[k] = exists[k] ? changed : w[k];
        g[k] = 0;
    }
    copy_weights(weights, gradient.size);
    return 0;
}

int adam(Array<int64_t> step, Array<int64_t> steps, Array<char> learning, Array<int64_t> seen,
         Array<int64_t> trials_per_update, Array<double> scale, Array<double> lower,
         Array<double> upper, Array<char> connected, Array<double> gradient, Array<double> weights,
         Array<double> learning_rate, Array<double> beta_1, Array<double> beta_2,
         Array<double> epsilon, Array<double> power_1, Array<double> power_2, Array<double> m,
         Array<double> v)
{
    if (!due(step, steps, learning, seen, trials_per_update)) return 0;
    if (!finite(gradient)) return NOT_A_NUMBER;
    power_1[0] *= beta_1[0];
    power_2[0] *= beta_2[0];
    const double length = learning_rate[0] * std::sqrt(1 - power_2[0]) / (1 - power_1[0]);
    const double keep_1 = beta_1[0], keep_2 = beta_2[0], tiny = epsilon[0], factor = scale[0];
    const double low = lower[0], high = upper[0];
    const char* __restrict exists = connected.data;
    double *__restrict w = weights.data, *__restrict g = gradient.data;
    double *__restrict first = m.data, *__restrict second = v.data;
    for (size_t k = 0; k < gradient.size; k++) {
        const double now = g[k] * factor;
        first[k] = keep_1 * first[k] + (1 - keep_1) * now;
        second[k] = keep_2 * second[k] + (1 - keep_2) * now * now;
        const double change = length * first[k] / (std::sqrt(second[k]) + tiny);
        const double changed = bounded(w[k] - change, low, high);
        w[k] = exists[k] ? changed : w[k];
        g[k] = 0;
    }
    copy_weights(weights, gradient.size);
    return 0;
}

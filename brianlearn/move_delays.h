// Delays that move: from a variable of the synapses into the queue's own, in time steps. See
// PlasticDelay. Spikes under way have their place in the queue already, and keep it.
#include <cstring>

enum { NEGATIVE = 1, NO_NUMBER, TOO_LONG, NO_SYNAPSE };
static const double TOLERANCE = 1e-6;  // of a time step: rounding errors of a sum of steps

struct Rounding {
    double dt, offset, longest;  // the last two in time steps
    int shift;
};

// All delays in whole steps; true if all are sound. Without branches, for the vector units.
static bool round_delays(const double* delays, size_t n, Rounding r, int* steps)
{
    int wrong = 0;
    for (size_t s = 0; s < n; s++) {
        const double x = delays[s] / r.dt;
        wrong |= !(x >= -TOLERANCE) | !(x <= r.longest);
        steps[s] = (int)(x + r.offset) + r.shift;
    }
    return !wrong;
}

static int fault_of(double delay, Rounding r)
{
    const double x = delay / r.dt;
    return x != x ? NO_NUMBER : x < -TOLERANCE ? NEGATIVE : x > r.longest ? TOO_LONG : 0;
}

// Room for a delay of each synapse: Brian2 makes room for one where they all have the same.
static void make_room(CSpikeQueue& queue, size_t n, bool shared)
{
    delete[] queue.delays;
    queue.delays = new int[n]();
    queue.scalar_delay = shared;
}

// All delays of one queue; the place of the first that is not sound, or n.
static size_t move_all(CSpikeQueue& queue, const double* delays, size_t n, Rounding r)
{
    enum { BLOCK = 1024 };
    int steps[BLOCK], most = 0;
    for (size_t first = 0; first < n; first += BLOCK) {
        const size_t count = n - first < BLOCK ? n - first : BLOCK;
        if (!round_delays(delays + first, count, r, steps)) {
            size_t s = first;
            while (!fault_of(delays[s], r)) s++;
            return s;
        }
        for (size_t s = 0; s < count; s++) most = steps[s] > most ? steps[s] : most;
        // memory is written only where a delay has changed
        if (std::memcmp(queue.delays + first, steps, count * sizeof(int)))
            std::memcpy(queue.delays + first, steps, count * sizeof(int));
    }
    queue.ensure_delay(most);
    return n;
}

static void move_one(Queues queues, size_t synapse, double delay, Rounding r)
{
    size_t k = queues.size - 1;
    while (k > 0 && (int)synapse < queues[k].openmp_padding) k--;
    int steps;
    round_delays(&delay, 1, r, &steps);
    queues[k].delays[synapse - queues[k].openmp_padding] = steps;
    queues[k].ensure_delay(steps);
}

// The first `count` of the announced synapses, unless one of them is not sound: that is `wrong`.
static int move_announced(Queues queues, Array<double> delays, bool shared, const int32_t* changed,
                          int32_t count, Rounding r, int64_t& wrong)
{
    for (int32_t k = 0; k < count; k++)
        if ((uint32_t)changed[k] >= delays.size) return wrong = changed[k], NO_SYNAPSE;
    for (int32_t k = 0; k < count; k++)
        if (const int fault = fault_of(delays[changed[k]], r)) return wrong = changed[k], fault;
    for (int32_t k = 0; k < count && !shared; k++) move_one(queues, changed[k], delays[changed[k]], r);
    for (size_t q = 0; q < queues.size && shared && count; q++) move_all(queues[q], delays.data, 1, r);
    return 0;
}

static int move_every_one(Queues queues, Array<double> delays, bool shared, bool fresh, Rounding r,
                          int64_t& wrong)
{
    for (size_t k = 0; k < queues.size; k++) {
        const size_t first = shared ? 0 : queues[k].openmp_padding;
        const bool last = shared || k + 1 == queues.size;
        const size_t n = (last ? delays.size : queues[k + 1].openmp_padding) - first;
        if (fresh) make_room(queues[k], n, shared);
        const size_t s = move_all(queues[k], delays.data + first, n, r);
        if (s < n) return wrong = first + s, fault_of(delays[first + s], r);
    }
    return 0;
}

int move_delays(Queues queues, Array<double> delays, Array<char> shared, Array<int32_t> changed,
                Array<int64_t> step, Array<int64_t> every, Array<char> fresh,
                Array<double> rounding, Array<int64_t> shift, Array<double> longest,
                Array<int64_t> synapse, Array<double> delay)
{
    const int32_t most = (int32_t)changed.size - 1, count = changed[most];
    const double dt = queues[0].dt;
    const Rounding r = {dt, rounding[0], longest[0] / dt + TOLERANCE, (int)shift[0]};
    changed[most] = 0;
    const bool all = fresh[0] || step[0] % every[0] == 0 || count >= most;
    const int fault =
        all ? move_every_one(queues, delays, shared[0], fresh[0], r, synapse[0])
            : move_announced(queues, delays, shared[0], changed.data, count, r, synapse[0]);
    if (fault && fault != NO_SYNAPSE) delay[0] = delays[synapse[0]];
    if (!fault) fresh[0] = false;
    return fault;
}

// readout.py's rules in C++.

// One row of phi for each output.
int read_out(Array<double> z, Array<double> phi, Array<double> r)
{
    for (size_t o = 0; o < z.size; o++) z[o] = brianlearn::dot(phi.data + o * r.size, r.data, r.size);
    return 0;
}

// One row of the encoders for each element of the variable that hears the outputs.
static void feed_back(const double* z, size_t outputs, const Array<double>& fed,
                      const Array<double>& encoders)
{
    for (size_t i = 0; i < fed.size; i++) {
        double total = 0;
        for (size_t o = 0; o < outputs; o++) total += encoders[i * outputs + o] * z[o];
        fed[i] = total;
    }
}

int read_out_and_feed_back(Array<double> z, Array<double> phi, Array<double> r, Array<double> fed,
                           Array<double> encoders)
{
    read_out(z, phi, r);
    feed_back(z.data, z.size, fed, encoders);
    return 0;
}

// `said` is a ring of outputs, one row for each time step that they are under way.
int read_out_and_feed_back_later(Array<double> z, Array<double> phi, Array<double> r,
                                 Array<double> fed, Array<double> encoders, Array<int64_t> now,
                                 Array<double> said)
{
    read_out(z, phi, r);
    const int64_t slots = said.size / z.size;
    double* const due = said.data + now[0] * z.size;
    feed_back(due, z.size, fed, encoders);
    for (size_t o = 0; o < z.size; o++) due[o] = z[o];
    now[0] = now[0] + 1 < slots ? now[0] + 1 : 0;
    return 0;
}

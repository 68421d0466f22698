// readout.py's rules in C++.

// One row of phi for each output.
int read_out(Array<double> z, Array<double> phi, Array<double> r)
{
    for (size_t o = 0; o < z.size; o++) z[o] = brianlearn::dot(phi.data + o * r.size, r.data, r.size);
    return 0;
}

// One row of the encoders for each fed variable's element.
int feed_back(Array<double> fed, Array<double> encoders, Array<double> z)
{
    for (size_t i = 0; i < fed.size; i++) {
        double total = 0;
        for (size_t o = 0; o < z.size; o++) total += encoders[i * z.size + o] * z[o];
        fed[i] = total;
    }
    return 0;
}

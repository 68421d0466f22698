// readout.py's rules in C++.

// One row of phi for each output.
int read_out(Array<double> z, Array<double> phi, Array<double> r)
{
    for (size_t o = 0; o < z.size; o++) z[o] = brianlearn::dot(phi.data + o * r.size, r.data, r.size);
    return 0;
}

// And one row of the encoders for each element of the variable that hears the outputs.
int read_out_and_feed_back(Array<double> z, Array<double> phi, Array<double> r, Array<double> fed,
                           Array<double> encoders)
{
    read_out(z, phi, r);
    for (size_t i = 0; i < fed.size; i++) {
        double total = 0;
        for (size_t o = 0; o < z.size; o++) total += encoders[i * z.size + o] * z[o];
        fed[i] = total;
    }
    return 0;
}

// teacher.py's rule in C++.
int follow(Array<double> said, Array<double> target)
{
    for (size_t k = 0; k < target.size; k++) target[k] = said[k];
    return 0;
}

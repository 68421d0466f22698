// recorder.py's rule in C++.
#include <cstdio>

enum { UNWRITABLE = 1 };

int write_down(Array<int64_t> step, Array<int64_t> steps, Array<char> recording,
               Array<char> each_step, Array<int32_t> path, Arrays<double> values,
               Arrays<int32_t> indices)
{
    if (!(each_step[0] ? recording[0] : step[0] == steps[0] - 1)) return 0;
    char name[1024];
    for (size_t i = 0; i < path.size; i++) name[i] = (char)path[i];
    FILE* file = std::fopen(name, "ab");
    if (!file) return UNWRITABLE;
    bool good = true;
    for (size_t k = 0; k < values.size; k++)
        for (size_t i = 0; i < indices[k].size; i++)
            good &= std::fwrite(&values[k][indices[k][i]], sizeof(double), 1, file) == 1;
    good &= std::fclose(file) == 0;
    return good ? 0 : UNWRITABLE;
}

// progress.py's mark in C++: a byte is added to a file now and then, whose size Python reads.
#include <cstdio>

int mark(Array<int64_t> step, Array<int64_t> every, Array<int32_t> path)
{
    if (step[0] % every[0] != 0) return 0;
    char name[1024];
    for (size_t i = 0; i < path.size; i++) name[i] = (char)path[i];
    if (FILE* file = std::fopen(name, "ab")) {
        std::fputc('.', file);
        std::fclose(file);
    }
    return 0;
}

// empty_queues.py's rule in C++.

int empty(Array<int64_t> step, Array<int64_t> longest, Queues early, Queues late)
{
    if (step[0]) return 0;
    for (const Queues& queues : {early, late})
        for (size_t k = 0; k < queues.size; k++)
            for (auto& slot : queues[k].queue) slot.clear();
    return 0;
}

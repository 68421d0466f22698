// Threads, for kernels that have `Threads` among their arguments.
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace brianlearn {

// Do work(0), ..., work(parts - 1), each once, on so many threads at most.
template <typename Work>
static void in_parallel(size_t parts, size_t threads, const Work& work)
{
    std::atomic<size_t> next(0);
    const auto take = [&] {
        for (size_t part; (part = next++) < parts;) work(part);
    };
    std::vector<std::thread> others;
    for (size_t k = 1; k < threads && k < parts; k++) others.emplace_back(take);
    take();
    for (std::thread& other : others) other.join();
}

}  // namespace brianlearn

// What a standalone project does after it was set up: it waits for commands, and obeys them, until
// the program that started it ends it, or ends itself. See process.py for what the commands mean.
{# A template: the names of all arrays and queues are filled in by device.py. #}
#include "objects.h"
#include "network.h"
#include "synapses_classes.h"
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>
#include <sys/time.h>
#include <unistd.h>
{% for name in queues_prepared %}
void _before_run_{{ name }}();
{% endfor %}

namespace {

enum Command { {% for name in commands %}{{ name }}{{ ", " if not loop.last }}{% endfor %} };

FILE *commands, *replies;
pid_t parent;

void receive(void* data, size_t bytes)
{
    if (bytes && std::fread(data, 1, bytes, commands) != bytes) _exit(0);  // nobody asks any more
}

void send(const void* data, size_t bytes)
{
    if (bytes && std::fwrite(data, 1, bytes, replies) != bytes) _exit(0);
}

void answer(int64_t a = 0, int64_t b = 0, int64_t c = 0)
{
    const int64_t words[3] = {a, b, c};
    send(words, sizeof(words));
}

// An array of Brian2's: its shape (columns of -1 where it has one dimension), and its bytes.
struct Held {
    virtual ~Held() {}
    virtual void shape(int64_t& rows, int64_t& columns) = 0;
    virtual void write() = 0;
    virtual void read(int64_t rows, int64_t columns) = 0;
    virtual void keep() = 0;
    virtual void back() = 0;
};

template <typename T>
struct Fixed : Held {
    T* data;
    size_t size;
    std::vector<T> kept;
    Fixed(T* data, size_t size, bool) : data(data), size(data ? size : 0) {}
    void shape(int64_t& rows, int64_t& columns) { rows = size, columns = -1; }
    void write() { send(data, size * sizeof(T)); }
    void read(int64_t, int64_t) { receive(data, size * sizeof(T)); }
    void keep() { kept.assign(data, data + size); }
    void back() { std::copy(kept.begin(), kept.end(), data); }
};

template <typename T>
struct Growing : Held {
    std::vector<T>& data;
    bool appended;  // only ever appended to: its length tells what it was
    std::vector<T> kept;
    size_t length = 0;
    Growing(std::vector<T>& data, bool appended) : data(data), appended(appended) {}
    void shape(int64_t& rows, int64_t& columns) { rows = data.size(), columns = -1; }
    void write() { send(data.data(), data.size() * sizeof(T)); }
    void read(int64_t rows, int64_t)
    {
        data.resize(rows);
        receive(data.data(), rows * sizeof(T));
    }
    void keep()
    {
        length = data.size();
        if (!appended) kept = data;
    }
    void back()
    {
        if (appended) data.resize(length);
        else data = kept;
    }
};

template <typename T>
struct Table : Held {
    DynamicArray2D<T>& data;
    int length = 0;
    Table(DynamicArray2D<T>& data, bool) : data(data) {}
    void shape(int64_t& rows, int64_t& columns) { rows = data.n, columns = data.m; }
    void write()
    {
        std::vector<T> values;
        for (int row = 0; row < (int)data.n; row++)
            for (int column = 0; column < (int)data.m; column++)
                values.push_back(data(row, column));
        send(values.data(), values.size() * sizeof(T));
    }
    void read(int64_t rows, int64_t columns)
    {
        std::vector<T> values(rows * columns);
        receive(values.data(), values.size() * sizeof(T));
        data.resize((int)rows, (int)columns);
        for (int row = 0; row < (int)rows; row++)  // some Brian2 hand out whole rows as copies
            for (int column = 0; column < (int)columns; column++)
                data(row, column) = values[row * columns + column];
    }
    void keep() { length = data.n; }  // Brian2 has such arrays in monitors alone
    void back() { data.resize(length, (int)data.m); }
};

// The spikes under way in a pathway, slot after slot from now on, as counts and synapses.
std::vector<int32_t> under_way(SynapticPathway& pathway)
{
    std::vector<int32_t> all;
    for (CSpikeQueue* queue : pathway.queue) {
        const size_t slots = queue->queue.size();
        all.push_back((int32_t)slots);
        for (size_t slot = 0; slot < slots; slot++) {
            const std::vector<int32_t>& spikes = queue->queue[(queue->offset + slot) % slots];
            all.push_back((int32_t)spikes.size());
            all.insert(all.end(), spikes.begin(), spikes.end());
        }
    }
    return all;
}

void send_on_their_way(SynapticPathway& pathway, const std::vector<int32_t>& all)
{
    const int32_t* next = all.data();
    for (CSpikeQueue* queue : pathway.queue) {
        const size_t slots = *next++;
        queue->queue.assign(std::max(slots, queue->queue.size()), std::vector<int32_t>());
        queue->offset = 0;
        for (size_t slot = 0; slot < slots; slot++) {
            const int32_t count = *next++;
            queue->queue[slot].assign(next, next + count);
            next += count;
        }
    }
}

static_assert(std::is_trivially_copyable<brian::RandomGenerator>::value,
              "the state of Brian2's random numbers is more than its bytes");

struct Life {
    Network& network;
    std::vector<Held*> arrays;
    std::vector<SynapticPathway*> pathways;
    std::vector<std::vector<int32_t>> kept_under_way;
    std::vector<brian::RandomGenerator> kept_generators;

    void run()
    {
        double times[2];
        receive(times, sizeof(times));
        network.t = times[0];
        network.run(times[1] - times[0], nullptr, 10.0);
        answer(Network::_globally_stopped);
        send(&network.t, sizeof(network.t));
    }

    void keep()
    {
        for (Held* array : arrays) array->keep();
        kept_under_way.clear();
        for (SynapticPathway* pathway : pathways) kept_under_way.push_back(under_way(*pathway));
        kept_generators = brian::_random_generators;
        answer();
    }

    void back()
    {
        for (Held* array : arrays) array->back();
        for (size_t k = 0; k < pathways.size(); k++)
            send_on_their_way(*pathways[k], kept_under_way[k]);
        brian::_random_generators = kept_generators;
        answer();
    }

    void seed(bool given, int64_t number)
    {
        for (size_t k = 0; k < brian::_random_generators.size(); k++) {
            if (given) brian::_random_generators[k].seed((unsigned long)(number + (int64_t)k));
            else brian::_random_generators[k].seed();
        }
        answer();
    }

    void obey(const int64_t* command)
    {
        const int64_t a = command[1], b = command[2], c = command[3];
        int64_t rows, columns;
        std::vector<int32_t> spikes;
        auto& generators = brian::_random_generators;
        const size_t bytes = generators.size() * sizeof(brian::RandomGenerator);
        switch (command[0]) {
        case RUN: return run();
        case KEEP: return keep();
        case BACK: return back();
        case SEED: return seed(a, b);
        case READ:
            arrays[a]->shape(rows, columns);
            answer(rows, columns);
            return arrays[a]->write();
        case WRITE: arrays[a]->read(b, c); return answer();
        case PREPARE:
            {% for name in queues_prepared %}
            _before_run_{{ name }}();
            {% endfor %}
            return answer();
        case READ_QUEUE:
            spikes = under_way(*pathways[a]);
            answer(spikes.size());
            return send(spikes.data(), spikes.size() * sizeof(int32_t));
        case WRITE_QUEUE:
            spikes.resize(b);
            receive(spikes.data(), b * sizeof(int32_t));
            send_on_their_way(*pathways[a], spikes);
            return answer();
        case READ_RANDOM: answer(bytes); return send(generators.data(), bytes);
        case WRITE_RANDOM:
            if ((size_t)b != bytes) std::abort();
            receive((void*)generators.data(), bytes);
            return answer();
        default: std::abort();
        }
    }
};

// A process whose parent was killed goes on as somebody else's child.
void look_for_parent(int)
{
    if (getppid() != parent) _exit(0);
}

void stop(int) { Network::_globally_stopped = true; }

void handle(int signal, void (*handler)(int))
{
    struct sigaction action;
    std::memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, nullptr);
}

}  // namespace

void brianlearn_live()
{
    using namespace brian;
    if (!std::getenv("BRIANLEARN_COMMANDS")) return;  // started by hand
    commands = fdopen(std::atoi(std::getenv("BRIANLEARN_COMMANDS")), "rb");
    replies = fdopen(std::atoi(std::getenv("BRIANLEARN_REPLIES")), "wb");
    parent = getppid();
    handle(SIGINT, stop);
    handle(SIGALRM, look_for_parent);
    const itimerval every = { {0, 500000}, {0, 500000} };
    setitimer(ITIMER_REAL, &every, nullptr);
    Life life = { {{ network }}, {
        {% for a in arrays %}
        new {{ a.kind }}<{{ a.ctype }}>({{ a.name }}, {{ a.size }}{{ a.appended }}),
        {% endfor %}
    }, {
        {% for name in pathways %}
        &{{ name }},
        {% endfor %}
    }, {}, {} };
    answer();
    for (;;) {
        std::fflush(replies);
        std::fflush(stdout);
        int64_t command[4];
        receive(command, sizeof(command));
        life.obey(command);
    }
}

// What models and caches of one device share: threads and an instruction set.
#pragma once

#include <memory>
#include <mutex>

#include "core/thread_pool.h"
#include "hearth.h"

namespace hearth {

struct Engine {
    explicit Engine(const hearth_engine_options& options);

    hearth_isa isa;
    ThreadPool pool;
    std::mutex step;  // held while the pool works: one step at a time
};

// Processors that this process may use: its affinity mask, and a container's quota where one is set.
int32_t usable_processors();

}  // namespace hearth

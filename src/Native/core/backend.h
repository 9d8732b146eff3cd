// What a kind of device must give so that programs run on it. A backend is a folder beside this one (cpu/)
// that implements the classes below, and a line in backends.cpp.
//
// Everything that comes from a file or a caller has been checked before it gets here: a program's operations
// fit together, a step's rows, pages and states are there and have one writer, numbers and sizes are in
// range. A backend checks only what it alone knows: whether it has a kernel, and whether memory can be had.
// It reports by throwing Error (core/error.h).
//
// Calls on one device, its executables, and loading of its weights come one at a time: whoever makes them
// holds the device's mutex. Only copying, reading and writing pages and states may come beside them, for
// other pages and states than those at work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "core/cache.h"
#include "core/program.h"
#include "core/sequences.h"
#include "hearth.h"

namespace hearth {

// One weight in a device's memory, in the order in which its kernels read it. Models may share one; nobody
// changes it once its last row is there.
class WeightMemory {
  public:
    virtual ~WeightMemory() = default;
    virtual size_t bytes() const = 0;
};

// A checked step. What it points to is good during the call.
struct CheckedStep {
    const hearth_step& given;  // counts, tokens, embeddings, positions, output rows, output
    std::span<const SequenceRows> sequences;
    // Through which rows states go on: those of sequence s are runs[run_begins[s] .. run_begins[s + 1]), one
    // after another. Both empty where the program keeps no state.
    std::span<const StateRun> runs;
    std::span<const int32_t> run_begins;
    CacheMemory* cache;         // null where the program uses none
    const CacheMemory* memory;  // likewise
    // To be filled just before their operations run (hearth.h).
    std::span<const hearth_probe> probes;
};

// A program on a device: its plan, the memory of its values, its weights.
class Executable {
  public:
    virtual ~Executable() = default;

    // Uses a weight of this device from the next step on, in place of one bound before.
    virtual void bind(int32_t weight, std::shared_ptr<const WeightMemory> memory) = 0;

    // Runs the operations over the step's rows and writes step.output. All weights that the program uses are
    // bound.
    virtual void run(const CheckedStep& step) = 0;

    // Of values and work space.
    virtual size_t scratch_bytes() const = 0;
};

// A device with what its models and caches share: threads, queues, streams.
class Device {
  public:
    virtual ~Device() = default;

    // Whether it has a kernel for an operation, for weights of a type in a role, for a cache of a type. Asked
    // before compile and make_cache, which may rely on it.
    virtual bool computes(const hearth_operation& operation) const = 0;
    virtual bool takes(hearth_type type, WeightRole role) const = 0;
    virtual bool caches(hearth_type type) const = 0;

    // The program lives as long as the executable.
    virtual std::unique_ptr<Executable> compile(const Program& program) = 0;
    virtual std::unique_ptr<CacheMemory> make_cache(const CacheShape& shape) = 0;

    // A whole weight from GGUF's blocks, which are read during the call only. role is Matrix or Vector.
    virtual std::shared_ptr<WeightMemory> take(const hearth_weight& shape, WeightRole role,
                                               const void* data) = 0;
    // Some rows of a single matrix, in order; all but the last part have a multiple of HEARTH_PART_ROWS.
    // so_far is what the last part returned, null for the first.
    virtual std::shared_ptr<WeightMemory> take_rows(std::shared_ptr<WeightMemory> so_far,
                                                    const hearth_weight& shape, int64_t first_row,
                                                    int64_t row_count, const void* data) = 0;

    // A call that check_attention_call has passed.
    virtual void attend(const hearth_attention_call& call) = 0;

    // What it can do at most, in bytes and in multiply-adds a second, so that a speed can be told as a share
    // of it.
    virtual double measure_bandwidth(size_t buffer_bytes) = 0;
    virtual hearth_arithmetic measure_arithmetic() = 0;

    std::mutex& mutex() { return mutex_; }

  private:
    std::mutex mutex_;
};

// A kind of device.
class Backend {
  public:
    virtual ~Backend() = default;

    virtual const char* name() const = 0;
    // How many devices of its kind this machine has.
    virtual int32_t device_count() const = 0;
    // index: below device_count. Refuses options that the device cannot honour.
    virtual std::shared_ptr<Device> open(int32_t index, const hearth_engine_options& options) = 0;
    // Fills in what it knows of the machine; hearth_system.devices is the caller's.
    virtual void describe(hearth_system& system) const = 0;
};

// The backends of this build, in the order of their devices' numbers. Defined by whoever links the library
// together: backends.cpp, or a test with doubles of its own.
std::span<Backend* const> backends();

// The device with a number in hearth_engine_options; HEARTH_UNSUPPORTED where there is none.
std::shared_ptr<Device> open_device(const hearth_engine_options& options);

hearth_system describe_system();

// HEARTH_UNSUPPORTED where a device lacks what a program needs, naming the operation or the weight.
void require_kernels(const Device& device, const Program& program);

}  // namespace hearth

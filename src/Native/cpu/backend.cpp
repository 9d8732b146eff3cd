#include "cpu/backend.h"

#include <cstdio>
#include <utility>

#include "core/operations.h"
#include "core/types.h"
#include "cpu/attention.h"
#include "cpu/cache.h"
#include "cpu/engine.h"
#include "cpu/executor.h"
#include "cpu/isa.h"
#include "cpu/machine.h"
#include "cpu/processors.h"
#include "cpu/weights.h"

namespace hearth {

namespace {

// One caller's attention on memory of its own: a sequence whose keys are rows.
void attend_rows(Engine& engine, const hearth_attention_call& call) {
    const hearth_attention_parameters& p = call.parameters;
    const SequenceRows sequence{0, call.query_rows, call.past, nullptr};
    AttentionCall inner{};
    inner.queries = call.queries;
    inner.query_stride = int64_t{p.heads} * p.key_width;
    inner.output = call.output;
    inner.output_stride = int64_t{p.heads} * p.value_width;
    inner.sinks = call.sinks;
    inner.biases = call.biases;
    inner.sequences = &sequence;
    inner.sequence_count = 1;
    inner.keys = call.keys;
    inner.values = call.values;
    inner.key_stride = int64_t{p.kv_heads} * p.key_width;
    inner.value_stride = int64_t{p.kv_heads} * p.value_width;
    inner.key_rows = call.key_rows;
    inner.parameters = p;
    inner.parameters.source = HEARTH_SOURCE_ROWS;
    Buffer scratch(attention_scratch_bytes(inner.parameters, call.query_rows, engine.pool.threads()));
    attention(engine.isa, inner, scratch, engine.pool);
}

class CpuDevice : public Device {
  public:
    explicit CpuDevice(const hearth_engine_options& options) : engine_(options) {}

    bool computes(const hearth_operation& operation) const override {
        return find_operation(operation.kind) != nullptr;
    }
    bool takes(hearth_type type, WeightRole role) const override {
        return role == WeightRole::Matrix ? find_type(type) != nullptr : type == HEARTH_TYPE_F32;
    }
    bool caches(hearth_type type) const override {
        switch (type) {
            case HEARTH_TYPE_F32:
            case HEARTH_TYPE_F16:
            case HEARTH_TYPE_BF16:
            case HEARTH_TYPE_Q8_0:
            case HEARTH_TYPE_Q4_0:
                return true;
            default:
                return false;
        }
    }

    std::unique_ptr<Executable> compile(const Program& program) override {
        return std::make_unique<Executor>(engine_, program);
    }
    std::unique_ptr<CacheMemory> make_cache(const CacheShape& shape) override {
        return std::make_unique<CpuCache>(shape);
    }
    std::shared_ptr<WeightMemory> take(const hearth_weight& shape, WeightRole role,
                                       const void* data) override {
        const StepTurn turn(engine_);
        return pack(engine_, shape, role, data);
    }
    std::shared_ptr<WeightMemory> take_rows(std::shared_ptr<WeightMemory> so_far, const hearth_weight& shape,
                                            int64_t first_row, int64_t row_count, const void* data) override {
        const StepTurn turn(engine_);
        return pack_rows(engine_, std::static_pointer_cast<CpuWeight>(std::move(so_far)), shape, first_row,
                         row_count, data);
    }
    void attend(const hearth_attention_call& call) override {
        const StepTurn turn(engine_);
        attend_rows(engine_, call);
    }
    double measure_bandwidth(size_t buffer_bytes) override {
        const StepTurn turn(engine_);
        return measure_read_bandwidth(engine_, buffer_bytes);
    }
    hearth_arithmetic measure_arithmetic() override {
        const StepTurn turn(engine_);
        return hearth::measure_arithmetic(engine_);
    }

  private:
    Engine engine_;
};

class CpuBackend : public Backend {
  public:
    const char* name() const override { return "the processor"; }
    int32_t device_count() const override { return 1; }
    std::shared_ptr<Device> open(int32_t, const hearth_engine_options& options) override {
        return std::make_shared<CpuDevice>(options);
    }
    void describe(hearth_system& system) const override {
        system.best_isa = best_isa();
        system.isa_mask = available_isas();
        system.processors = usable_processors();
        system.cores = usable_cores();
        std::snprintf(system.processor, sizeof system.processor, "%s", processor_name().c_str());
    }
};

}  // namespace

Backend& cpu_backend() {
    static CpuBackend backend;
    return backend;
}

}  // namespace hearth

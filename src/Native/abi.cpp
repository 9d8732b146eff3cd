// The C boundary: handles, argument checks, and exceptions turned into statuses.
#include <cstring>
#include <fstream>
#include <memory>
#include <new>
#include <string>

#include "core/cache.h"
#include "core/checks.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/formats/formats.h"
#include "core/isa.h"
#include "core/machine.h"
#include "core/mapping_guard.h"
#include "core/model.h"
#include "core/quantize/quantize.h"
#include "core/types.h"
#include "cpu/attention.h"
#include "hearth.h"

struct hearth_engine {
    std::shared_ptr<hearth::Engine> engine;
};
struct hearth_model {
    hearth::Model model;
};
struct hearth_cache {
    hearth::Cache cache;
};
struct hearth_guard {
    hearth::MappingGuard guard;
};

// Arrays of these cross the boundary, where no size travels with an element: the managed side declares the
// same sizes.
static_assert(sizeof(hearth_operation) == 160);
static_assert(sizeof(hearth_weight) == 24);
static_assert(sizeof(hearth_sequence) == 48);
static_assert(sizeof(hearth_checkpoint) == 8);
static_assert(sizeof(hearth_cache_layer) == 12);
static_assert(sizeof(hearth_probe) == 32);

namespace hearth {
namespace {

// Fixed size: setting it must not fail.
thread_local char last_error[1024] = "";

void remember(const char* message) {
    std::snprintf(last_error, sizeof last_error, "%s", message);
}

// Runs body and turns what it throws into a status.
template <typename Body>
hearth_status guarded(Body&& body) noexcept {
    try {
        body();
        return HEARTH_OK;
    } catch (const Error& error) {
        remember(error.what());
        return error.status();
    } catch (const std::bad_alloc&) {
        remember("memory could not be had");
        return HEARTH_OUT_OF_MEMORY;
    } catch (const std::exception& error) {
        remember(error.what());
        return HEARTH_INTERNAL;
    } catch (...) {
        remember("an unknown fault");
        return HEARTH_INTERNAL;
    }
}

// Checks a pointer to a struct and that both sides agree on its size.
template <typename T>
const T& checked(const T* pointer, size_t size, const char* name) {
    if (pointer == nullptr) fail(HEARTH_INVALID_ARGUMENT, "%s is null", name);
    if (size != sizeof(T))
        fail(HEARTH_INVALID_ARGUMENT, "%s has %zu bytes, this library expects %zu", name, size, sizeof(T));
    return *pointer;
}

template <typename T>
T& required(T* pointer, const char* name) {
    if (pointer == nullptr) fail(HEARTH_INVALID_ARGUMENT, "%s is null", name);
    return *pointer;
}

std::string processor_name() {
#if defined(__linux__)
    std::ifstream file("/proc/cpuinfo");
    std::string implementer, part;
    for (std::string line; std::getline(file, line);) {
        const size_t colon = line.find(": ");
        if (colon == std::string::npos) continue;
        const std::string value = line.substr(colon + 2);
        if (line.rfind("model name", 0) == 0) return value;
        if (line.rfind("CPU implementer", 0) == 0) implementer = value;
        if (line.rfind("CPU part", 0) == 0) part = value;
    }
    // Linux gives Arm processors numbers, not names.
    if (!part.empty()) return "Arm implementer " + implementer + " part " + part;
#endif
    return "unknown";
}

void attend(Engine& engine, const hearth_attention_call& call) {
    const hearth_attention_parameters& p = call.parameters;
    if (p.relative_distances != 0)
        fail(HEARTH_INVALID_ARGUMENT,
             "[attention] relative_distances must be 0, got %d: it has no input for them",
             p.relative_distances);
    check_attention_parameters(
        p, [](const char* what) { fail(HEARTH_INVALID_ARGUMENT, "[attention] %s", what); });
    constexpr int32_t kMaxRows = 1 << 26;
    if (call.query_rows < 1 || call.query_rows > kMaxRows || call.key_rows < 1 || call.key_rows > kMaxRows ||
        call.past < 0 || call.past > kMaxRows)
        fail(HEARTH_INVALID_ARGUMENT,
             "[attention] query_rows and key_rows must be 1 to %d and past at least 0, got %d, %d, %d",
             kMaxRows, call.query_rows, call.key_rows, call.past);
    const auto expect = [](const void* pointer, size_t size, int64_t rows, int32_t heads, int32_t width,
                           const char* name) {
        const size_t needed =
            static_cast<size_t>(rows) * static_cast<size_t>(heads) * static_cast<size_t>(width);
        if (pointer == nullptr || size != needed)
            fail(HEARTH_INVALID_ARGUMENT, "[attention] %s must hold %lld x %d x %d = %zu values, got %zu",
                 name, static_cast<long long>(rows), heads, width, needed, size);
    };
    const auto expect_none = [](const void* pointer, size_t size, const char* name, const char* why) {
        if (pointer != nullptr || size != 0)
            fail(HEARTH_INVALID_ARGUMENT, "[attention] with %s there are no %s, got %zu values", why, name,
                 size);
    };
    expect(call.queries, call.query_size, call.query_rows, p.heads, p.key_width, "queries");
    expect(call.keys, call.key_size, call.key_rows, p.kv_heads, p.key_width, "keys");
    if (p.values_in_keys)
        expect_none(call.values, call.value_size, "values", "values_in_keys");
    else
        expect(call.values, call.value_size, call.key_rows, p.kv_heads, p.value_width, "values");
    if (call.sinks != nullptr || call.sink_size != 0)
        expect(call.sinks, call.sink_size, 1, p.heads, 1, "sinks");
    if (p.bias_buckets > 0)
        expect(call.biases, call.bias_size, 1, p.bias_buckets, p.heads, "biases");
    else
        expect_none(call.biases, call.bias_size, "biases", "no bias_buckets");
    expect(call.output, call.output_size, call.query_rows, p.heads, p.value_width, "output");

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
    const StepTurn turn(engine);
    attention(engine.isa, inner, scratch, engine.pool);
}

}  // namespace
}  // namespace hearth

using namespace hearth;

uint32_t hearth_abi_version(void) {
    return HEARTH_ABI_VERSION;
}

const char* hearth_last_error(void) {
    return last_error;
}

hearth_status hearth_system_probe(hearth_system* system, size_t system_size) {
    return guarded([&] {
        checked(system, system_size, "system");
        hearth_system found{};
        found.best_isa = best_isa();
        found.isa_mask = available_isas();
        found.devices = 1;
        found.processors = usable_processors();
        found.cores = usable_cores();
        std::snprintf(found.processor, sizeof found.processor, "%s", processor_name().c_str());
        *system = found;
    });
}

hearth_status hearth_engine_create(const hearth_engine_options* options, size_t options_size,
                                   hearth_engine** engine) {
    return guarded([&] {
        required(engine, "engine") = nullptr;
        *engine = new hearth_engine{std::make_shared<Engine>(checked(options, options_size, "options"))};
    });
}

void hearth_engine_destroy(hearth_engine* engine) {
    delete engine;
}

hearth_status hearth_engine_measure_bandwidth(hearth_engine* engine, uint64_t buffer_bytes,
                                              double* bytes_per_second) {
    return guarded([&] {
        Engine& inner = *required(engine, "engine").engine;
        double& result = required(bytes_per_second, "bytes_per_second");
        if (buffer_bytes < (1u << 20) || buffer_bytes > (uint64_t{1} << 40))
            fail(HEARTH_INVALID_ARGUMENT, "buffer_bytes must be 2^20 to 2^40, got %llu",
                 static_cast<unsigned long long>(buffer_bytes));
        const StepTurn turn(inner);
        result = measure_read_bandwidth(inner, static_cast<size_t>(buffer_bytes));
    });
}

hearth_status hearth_engine_measure_arithmetic(hearth_engine* engine, hearth_arithmetic* arithmetic,
                                               size_t arithmetic_size) {
    return guarded([&] {
        Engine& inner = *required(engine, "engine").engine;
        checked(arithmetic, arithmetic_size, "arithmetic");
        const StepTurn turn(inner);
        const Arithmetic measured = measure_arithmetic(inner);
        *arithmetic = {measured.int8, measured.float32};
    });
}

hearth_status hearth_model_create(hearth_engine* engine, const hearth_program* program, size_t program_size,
                                  hearth_model** model) {
    return guarded([&] {
        required(model, "model") = nullptr;
        *model = new hearth_model{
            Model(required(engine, "engine").engine, checked(program, program_size, "program"))};
    });
}

void hearth_model_destroy(hearth_model* model) {
    delete model;
}

hearth_status hearth_model_load_weight(hearth_model* model, int32_t weight, const void* data,
                                       size_t data_size) {
    return guarded([&] { required(model, "model").model.load_weight(weight, data, data_size); });
}

hearth_status hearth_model_load_rows(hearth_model* model, int32_t weight, int64_t first_row,
                                     int64_t row_count, const void* data, size_t data_size) {
    return guarded(
        [&] { required(model, "model").model.load_rows(weight, first_row, row_count, data, data_size); });
}

hearth_status hearth_guard_create(const void* address, size_t size, hearth_guard** guard) {
    return guarded([&] { required(guard, "guard") = new hearth_guard{hearth::MappingGuard(address, size)}; });
}

void hearth_guard_destroy(hearth_guard* guard) {
    delete guard;
}

hearth_status hearth_guard_is_lost(const hearth_guard* guard, int32_t* lost) {
    return guarded([&] { required(lost, "lost") = required(guard, "guard").guard.is_lost() ? 1 : 0; });
}

hearth_status hearth_model_share_weight(hearth_model* model, int32_t weight, const hearth_model* other,
                                        int32_t other_weight) {
    return guarded([&] {
        required(model, "model").model.share_weight(weight, required(other, "other").model, other_weight);
    });
}

hearth_status hearth_model_measure(const hearth_model* model, hearth_model_memory* memory,
                                   size_t memory_size) {
    return guarded([&] {
        checked(memory, memory_size, "memory");
        *memory = required(model, "model").model.measure();
    });
}

hearth_status hearth_cache_create(hearth_engine* engine, const hearth_cache_options* options,
                                  size_t options_size, hearth_cache** cache) {
    return guarded([&] {
        required(cache, "cache") = nullptr;
        *cache = new hearth_cache{
            Cache(required(engine, "engine").engine, checked(options, options_size, "options"))};
    });
}

void hearth_cache_destroy(hearth_cache* cache) {
    delete cache;
}

hearth_status hearth_cache_page_bytes(const hearth_cache* cache, uint64_t* bytes) {
    return guarded([&] { required(bytes, "bytes") = required(cache, "cache").cache.page_bytes(); });
}

hearth_status hearth_cache_copy_page(hearth_cache* cache, int32_t source, int32_t destination) {
    return guarded([&] { required(cache, "cache").cache.copy_page(source, destination); });
}

hearth_status hearth_cache_read_page(const hearth_cache* cache, int32_t page, void* buffer, size_t size) {
    return guarded([&] {
        required(static_cast<char*>(buffer), "buffer");
        required(cache, "cache").cache.read_page(page, static_cast<uint8_t*>(buffer), size);
    });
}

hearth_status hearth_cache_write_page(hearth_cache* cache, int32_t page, const void* buffer, size_t size) {
    return guarded([&] {
        required(static_cast<const char*>(buffer), "buffer");
        required(cache, "cache").cache.write_page(page, static_cast<const uint8_t*>(buffer), size);
    });
}

hearth_status hearth_cache_state_bytes(const hearth_cache* cache, uint64_t* bytes) {
    return guarded([&] { required(bytes, "bytes") = required(cache, "cache").cache.state_bytes(); });
}

hearth_status hearth_cache_read_state(const hearth_cache* cache, int32_t state, void* buffer, size_t size) {
    return guarded([&] {
        required(static_cast<char*>(buffer), "buffer");
        required(cache, "cache").cache.read_state(state, static_cast<uint8_t*>(buffer), size);
    });
}

hearth_status hearth_cache_write_state(hearth_cache* cache, int32_t state, const void* buffer, size_t size) {
    return guarded([&] {
        required(static_cast<const char*>(buffer), "buffer");
        required(cache, "cache").cache.write_state(state, static_cast<const uint8_t*>(buffer), size);
    });
}

hearth_status hearth_model_run(hearth_model* model, hearth_cache* cache, hearth_cache* memory,
                               const hearth_step* step, size_t step_size) {
    return guarded([&] {
        required(model, "model")
            .model.run(cache ? &cache->cache : nullptr, memory ? &memory->cache : nullptr,
                       checked(step, step_size, "step"));
    });
}

hearth_status hearth_model_probe(hearth_model* model, hearth_cache* cache, hearth_cache* memory,
                                 const hearth_step* step, size_t step_size, const hearth_probe* probes,
                                 int32_t probe_count) {
    return guarded([&] {
        if (probes == nullptr || probe_count < 1)
            fail(HEARTH_INVALID_ARGUMENT, "a probed step has at least one probe, got %d", probe_count);
        required(model, "model")
            .model.run(cache ? &cache->cache : nullptr, memory ? &memory->cache : nullptr,
                       checked(step, step_size, "step"), {probes, static_cast<size_t>(probe_count)});
    });
}

hearth_status hearth_attention(hearth_engine* engine, const hearth_attention_call* call, size_t call_size) {
    return guarded([&] { attend(*required(engine, "engine").engine, checked(call, call_size, "call")); });
}

hearth_status hearth_dequantize(int32_t type, const void* data, size_t data_size, float* output,
                                size_t count) {
    return guarded([&] {
        if (count == 0 || count > SIZE_MAX / 8)
            fail(HEARTH_INVALID_ARGUMENT, "count must be above 0, got %zu", count);
        const size_t expected = matrix_bytes(type_info(type), 1, static_cast<int64_t>(count));
        if (data == nullptr || output == nullptr || data_size != expected)
            fail(HEARTH_INVALID_ARGUMENT, "%zu values of type %s take %zu bytes, got %zu", count,
                 type_info(type).name, expected, data_size);
        dequantize(static_cast<hearth_type>(type), data, output, static_cast<int64_t>(count));
    });
}

hearth_status hearth_quantize(int32_t type, const float* input, size_t count, int64_t columns,
                              const float* importance, void* output, size_t output_size) {
    return guarded([&] {
        const TypeInfo& info = type_info(type);
        if (count == 0 || count > SIZE_MAX / 8 || columns < 1 || count % static_cast<size_t>(columns) != 0)
            fail(HEARTH_INVALID_ARGUMENT, "count must be above 0 and a multiple of columns, got %zu and %lld",
                 count, static_cast<long long>(columns));
        const auto rows = static_cast<int64_t>(count / static_cast<size_t>(columns));
        const size_t expected = matrix_bytes(info, rows, columns);
        if (input == nullptr || output == nullptr || output_size != expected)
            fail(HEARTH_INVALID_ARGUMENT, "%zu values of type %s take %zu bytes, got %zu", count, info.name,
                 expected, output_size);
        quantize(static_cast<hearth_type>(type), input, static_cast<int64_t>(count), columns, importance,
                 output);
    });
}

// The C boundary: handles, argument checks, and exceptions turned into statuses. What is computed is a
// device's (core/backend.h).
#include "abi.h"

#include <cstdio>
#include <memory>

#include "core/attention_call.h"
#include "core/backend.h"
#include "core/cache.h"
#include "core/formats/formats.h"
#include "core/mapping_guard.h"
#include "core/model.h"
#include "core/types.h"
#include "hearth.h"

struct hearth_engine {
    std::shared_ptr<hearth::Device> device;
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

namespace {

// Fixed size: setting it must not fail.
thread_local char last_error[1024] = "";

}  // namespace

namespace hearth {

void remember(const char* message) noexcept {
    std::snprintf(last_error, sizeof last_error, "%s", message);
}

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
        *system = describe_system();
    });
}

hearth_status hearth_engine_create(const hearth_engine_options* options, size_t options_size,
                                   hearth_engine** engine) {
    return guarded([&] {
        required(engine, "engine") = nullptr;
        *engine = new hearth_engine{open_device(checked(options, options_size, "options"))};
    });
}

void hearth_engine_destroy(hearth_engine* engine) {
    delete engine;
}

hearth_status hearth_engine_measure_bandwidth(hearth_engine* engine, uint64_t buffer_bytes,
                                              double* bytes_per_second) {
    return guarded([&] {
        Device& device = *required(engine, "engine").device;
        double& result = required(bytes_per_second, "bytes_per_second");
        if (buffer_bytes < (1u << 20) || buffer_bytes > (uint64_t{1} << 40))
            fail(HEARTH_INVALID_ARGUMENT, "buffer_bytes must be 2^20 to 2^40, got %llu",
                 static_cast<unsigned long long>(buffer_bytes));
        const std::lock_guard lock(device.mutex());
        result = device.measure_bandwidth(static_cast<size_t>(buffer_bytes));
    });
}

hearth_status hearth_engine_measure_arithmetic(hearth_engine* engine, hearth_arithmetic* arithmetic,
                                               size_t arithmetic_size) {
    return guarded([&] {
        Device& device = *required(engine, "engine").device;
        checked(arithmetic, arithmetic_size, "arithmetic");
        const std::lock_guard lock(device.mutex());
        *arithmetic = device.measure_arithmetic();
    });
}

hearth_status hearth_model_create(hearth_engine* engine, const hearth_program* program, size_t program_size,
                                  hearth_model** model) {
    return guarded([&] {
        required(model, "model") = nullptr;
        *model =
            new hearth_model{{required(engine, "engine").device, checked(program, program_size, "program")}};
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
        *cache =
            new hearth_cache{{required(engine, "engine").device, checked(options, options_size, "options")}};
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
    return guarded([&] {
        Device& device = *required(engine, "engine").device;
        check_attention_call(checked(call, call_size, "call"));
        const std::lock_guard lock(device.mutex());
        device.attend(*call);
    });
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

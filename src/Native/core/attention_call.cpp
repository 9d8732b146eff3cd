#include "core/attention_call.h"

#include "core/checks.h"
#include "core/error.h"

namespace hearth {

void check_attention_call(const hearth_attention_call& call) {
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
}

}  // namespace hearth

// Quantizing through the C boundary: the processor's work, whatever devices there are.
#include "abi.h"
#include "core/types.h"
#include "cpu/quantize/quantize.h"

using namespace hearth;

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

#include "core/backend.h"

#include <string>

#include "core/error.h"
#include "core/operations.h"
#include "core/types.h"

namespace hearth {

std::shared_ptr<Device> open_device(const hearth_engine_options& options) {
    int32_t index = options.device;
    std::string names;
    int32_t number = 0;
    for (Backend* backend : backends()) {
        const int32_t count = backend->device_count();
        if (index >= 0 && index < count) return backend->open(index, options);
        index -= count;
        for (int32_t i = 0; i < count; ++i)
            names += (names.empty() ? "" : ", ") + std::to_string(number++) + " (" + backend->name() + ")";
    }
    fail(HEARTH_UNSUPPORTED, "device %d is not there; this build computes on device %s", options.device,
         names.c_str());
}

hearth_system describe_system() {
    hearth_system system{};
    for (const Backend* backend : backends()) {
        backend->describe(system);
        system.devices += backend->device_count();
    }
    return system;
}

void require_kernels(const Device& device, const Program& program) {
    const auto& operations = program.operations();
    for (size_t i = 0; i < operations.size(); ++i)
        if (!device.computes(operations[i]))
            fail(HEARTH_UNSUPPORTED, "operation %zu (%s) has no kernel on this device", i,
                 operation_name(operations[i].kind));
    for (size_t i = 0; i < program.weights().size(); ++i) {
        const WeightRole role = program.roles()[i];
        const hearth_type type = static_cast<hearth_type>(program.weights()[i].type);
        if (role != WeightRole::Unused && !device.takes(type, role))
            fail(HEARTH_UNSUPPORTED, "weight %zu of type %s has no kernel on this device", i,
                 type_info(type).name);
    }
}

}  // namespace hearth

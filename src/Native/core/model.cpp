#include "core/model.h"

#include <utility>

#include "core/error.h"

namespace hearth {

Model::Model(std::shared_ptr<Device> device, const hearth_program& program)
    : device_(std::move(device)), program_(program), weights_(program_) {
    require_kernels(*device_, program_);
    executable_ = device_->compile(program_);
}

void Model::load_weight(int32_t weight, const void* data, size_t size) {
    const std::lock_guard lock(device_->mutex());
    weights_.load(*device_, *executable_, weight, data, size);
}

void Model::load_rows(int32_t weight, int64_t first_row, int64_t row_count, const void* data, size_t size) {
    const std::lock_guard lock(device_->mutex());
    weights_.load_rows(*device_, *executable_, weight, first_row, row_count, data, size);
}

void Model::share_weight(int32_t weight, const Model& other, int32_t other_weight) {
    if (device_ != other.device_)
        fail(HEARTH_INVALID_ARGUMENT, "the weight's model belongs to another engine");
    const std::lock_guard lock(device_->mutex());
    weights_.share(*executable_, weight, other.weights_, other_weight);
}

hearth_model_memory Model::measure() const {
    const std::lock_guard lock(device_->mutex());
    return {weights_.bytes(), executable_->scratch_bytes()};
}

void Model::run(Cache* cache, const Cache* memory, const hearth_step& step,
                std::span<const hearth_probe> probes) {
    const std::lock_guard lock(device_->mutex());
    for (const Cache* pages : {static_cast<const Cache*>(cache), memory})
        if (pages != nullptr && &pages->device() != device_.get())
            fail(HEARTH_INVALID_ARGUMENT, "the cache belongs to another engine than the model");
    weights_.require_all();
    executable_->run(checker_.check(program_, cache, memory, step, probes));
}

}  // namespace hearth

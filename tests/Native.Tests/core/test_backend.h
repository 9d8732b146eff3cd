// Backends made for tests: devices that compute three operations in the plainest way and write down what they
// are asked. They are all that a library of src/Native/core alone has.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/error.h"

namespace hearth_test {

// GGUF's blocks as they came.
struct TestWeight : hearth::WeightMemory {
    hearth_weight shape{};
    std::vector<uint8_t> data;

    size_t bytes() const override { return data.size(); }
    const float* row(int64_t index) const {
        return reinterpret_cast<const float*>(data.data()) + index * shape.columns;
    }
};

struct TestCache : hearth::CacheMemory {
    TestCache(const hearth::CacheShape& shape) {
        for (size_t i = 0; i < shape.layers.size(); ++i)
            page_bytes += shape.key_page_bytes(i) + shape.value_page_bytes(i);
        for (const int64_t width : shape.state_widths)
            state_bytes += static_cast<size_t>(width) * sizeof(float);
        pages.resize(page_bytes * static_cast<size_t>(shape.page_count));
        states.resize(state_bytes * static_cast<size_t>(shape.state_count));
    }

    void copy_page(int32_t source, int32_t destination) override {
        std::memcpy(page(destination), page(source), page_bytes);
    }
    void read_page(int32_t number, uint8_t* buffer) const override {
        std::memcpy(buffer, pages.data() + static_cast<size_t>(number) * page_bytes, page_bytes);
    }
    void write_page(int32_t number, const uint8_t* buffer) override {
        std::memcpy(page(number), buffer, page_bytes);
    }
    void read_state(int32_t number, uint8_t* buffer) const override {
        std::memcpy(buffer, states.data() + static_cast<size_t>(number) * state_bytes, state_bytes);
    }
    void write_state(int32_t number, const uint8_t* buffer) override {
        std::memcpy(states.data() + static_cast<size_t>(number) * state_bytes, buffer, state_bytes);
    }
    uint8_t* page(int32_t number) { return pages.data() + static_cast<size_t>(number) * page_bytes; }

    size_t page_bytes = 0, state_bytes = 0;
    std::vector<uint8_t> pages, states;
};

// What a device was asked, as far as tests look at it.
struct Record {
    int32_t steps = 0, weights = 0, parts = 0, attentions = 0;
    std::vector<int32_t> bound;                   // numbers of weights
    std::vector<hearth::SequenceRows> sequences;  // of the last step
    std::vector<hearth::StateRun> runs;
    bool had_cache = false, had_memory = false;
    std::atomic<int32_t> inside{0};
    bool overlapped = false;
};

class TestExecutable : public hearth::Executable {
  public:
    TestExecutable(const hearth::Program& program, Record& record) : program_(program), record_(record) {}

    void bind(int32_t weight, std::shared_ptr<const hearth::WeightMemory> memory) override {
        weights_[weight] = std::static_pointer_cast<const TestWeight>(std::move(memory));
        record_.bound.push_back(weight);
    }

    void run(const hearth::CheckedStep& step) override {
        if (record_.inside.fetch_add(1) != 0) record_.overlapped = true;
        ++record_.steps;
        record_.sequences.assign(step.sequences.begin(), step.sequences.end());
        record_.runs.assign(step.runs.begin(), step.runs.end());
        record_.had_cache = step.cache != nullptr;
        record_.had_memory = step.memory != nullptr;
        std::map<int32_t, std::vector<float>> values;
        for (const hearth_operation& operation : program_.operations())
            compute(operation, step.given, values);
        const std::vector<float>& result = values[program_.result()];
        std::memcpy(step.given.output, result.data(), result.size() * sizeof(float));
        record_.inside.fetch_sub(1);
    }

    size_t scratch_bytes() const override { return 321; }

  private:
    void compute(const hearth_operation& operation, const hearth_step& step,
                 std::map<int32_t, std::vector<float>>& values) {
        const auto width = [&](int32_t value) { return program_.values()[static_cast<size_t>(value)].width; };
        if (operation.kind == HEARTH_EMBED) {
            std::vector<float>& output = values[operation.output[0]];
            for (int32_t row = 0; row < step.row_count; ++row) {
                const float* from = weights_.at(operation.weight[0])->row(step.tokens[row]);
                output.insert(output.end(), from, from + width(operation.output[0]));
            }
        } else if (operation.kind == HEARTH_ADD) {
            std::vector<float> sum = values[operation.input[0]];
            for (size_t i = 0; i < sum.size(); ++i) sum[i] += values[operation.input[1]][i];
            values[operation.output[0]] = sum;
        } else if (operation.kind == HEARTH_GATHER) {
            const int64_t columns = width(operation.input[0]);
            std::vector<float>& output = values[operation.output[0]];
            for (int32_t i = 0; i < step.output_count; ++i) {
                const float* from = values[operation.input[0]].data() + step.output_rows[i] * columns;
                output.insert(output.end(), from, from + columns);
            }
        }
        // What keeps keys or states is there for what it asks of a step alone.
    }

    const hearth::Program& program_;
    Record& record_;
    std::map<int32_t, std::shared_ptr<const TestWeight>> weights_;
};

class TestDevice : public hearth::Device {
  public:
    explicit TestDevice(Record& record) : record_(record) {}

    bool computes(const hearth_operation& operation) const override {
        switch (operation.kind) {
            case HEARTH_EMBED:
            case HEARTH_ADD:
            case HEARTH_GATHER:
            case HEARTH_CACHE_WRITE:
            case HEARTH_SHORT_CONVOLUTION:
                return true;
            default:
                return false;
        }
    }
    bool takes(hearth_type type, hearth::WeightRole) const override { return type == HEARTH_TYPE_F32; }
    bool caches(hearth_type type) const override { return type == HEARTH_TYPE_F32; }

    std::unique_ptr<hearth::Executable> compile(const hearth::Program& program) override {
        return std::make_unique<TestExecutable>(program, record_);
    }
    std::unique_ptr<hearth::CacheMemory> make_cache(const hearth::CacheShape& shape) override {
        return std::make_unique<TestCache>(shape);
    }
    std::shared_ptr<hearth::WeightMemory> take(const hearth_weight& shape, hearth::WeightRole,
                                               const void* data) override {
        ++record_.weights;
        return take_bytes(nullptr, shape, shape.rows * shape.stack, data);
    }
    std::shared_ptr<hearth::WeightMemory> take_rows(std::shared_ptr<hearth::WeightMemory> so_far,
                                                    const hearth_weight& shape, int64_t, int64_t row_count,
                                                    const void* data) override {
        ++record_.parts;
        return take_bytes(std::static_pointer_cast<TestWeight>(std::move(so_far)), shape, row_count, data);
    }
    void attend(const hearth_attention_call& call) override {
        ++record_.attentions;
        std::fill_n(call.output, call.output_size, 7.0f);
    }
    double measure_bandwidth(size_t buffer_bytes) override { return static_cast<double>(buffer_bytes); }
    hearth_arithmetic measure_arithmetic() override { return {2, 1}; }

  private:
    static std::shared_ptr<TestWeight> take_bytes(std::shared_ptr<TestWeight> weight,
                                                  const hearth_weight& shape, int64_t rows,
                                                  const void* data) {
        if (!weight) weight = std::make_shared<TestWeight>();
        weight->shape = shape;
        const auto* bytes = static_cast<const uint8_t*>(data);
        weight->data.insert(weight->data.end(), bytes,
                            bytes + static_cast<size_t>(rows * shape.columns) * sizeof(float));
        return weight;
    }

    Record& record_;
};

class TestBackend : public hearth::Backend {
  public:
    TestBackend(const char* name, int32_t devices) : name_(name), records_(static_cast<size_t>(devices)) {}

    const char* name() const override { return name_; }
    int32_t device_count() const override { return static_cast<int32_t>(records_.size()); }
    std::shared_ptr<hearth::Device> open(int32_t index, const hearth_engine_options& options) override {
        if (options.threads != 0) hearth::fail(HEARTH_INVALID_ARGUMENT, "%s has no threads", name_);
        records_[static_cast<size_t>(index)] = std::make_unique<Record>();
        return std::make_shared<TestDevice>(*records_[static_cast<size_t>(index)]);
    }
    void describe(hearth_system& system) const override { system.processors += 10; }

    // Of the device that was opened last under its index.
    Record& record(int32_t index) { return *records_[static_cast<size_t>(index)]; }

  private:
    const char* name_;
    std::vector<std::unique_ptr<Record>> records_;
};

// Devices 0 and 1, and device 2.
TestBackend& first_backend();
TestBackend& second_backend();

}  // namespace hearth_test

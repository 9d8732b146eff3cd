// Coverage-guided fuzzing of the boundary: a sound program, its weights and a step are damaged as the input
// says, then created, loaded and run. Every outcome but a crash, a leak or undefined behaviour is right;
// arrays have the lengths that are passed, as callers promise.
#include <cstdint>
#include <cstring>
#include <vector>

#include "hearth.h"

namespace {

constexpr size_t kMostWeightBytes = size_t{1} << 22;

// The input, as numbers; zeros when it is used up.
class Input {
  public:
    Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
    bool is_empty() const { return at_ >= size_; }
    uint32_t byte() { return at_ < size_ ? data_[at_++] : 0u; }
    size_t below(size_t limit) { return limit == 0 ? 0 : byte() % limit; }

    // Mostly small numbers, sometimes those at which careless arithmetic wraps around, sometimes any.
    int64_t number() {
        static constexpr int64_t extremes[] = {INT32_MAX,     INT32_MIN,  1 << 16,    1 << 24,
                                               1 << 20,       0x7F800000, INT64_MAX,  INT64_MIN,
                                               INT64_MAX / 4, UINT32_MAX, 0x7FC00000, 1 << 30};
        const uint32_t choice = byte();
        if (choice < 192) return static_cast<int64_t>(choice) - 32;
        if (choice < 240) return extremes[choice % (sizeof extremes / sizeof *extremes)];
        uint32_t value = 0;
        for (int i = 0; i < 4; ++i) value = (value << 8) | byte();
        return static_cast<int32_t>(value);
    }

  private:
    const uint8_t* data_;
    size_t size_, at_ = 0;
};

struct Source {
    std::vector<hearth_operation> operations;
    std::vector<int32_t> widths;
    std::vector<hearth_weight> weights;
    std::vector<hearth_cache_layer> layers;
    std::vector<int64_t> states;
    int32_t result = 0, max_rows = 8, max_output_rows = 4, cache_type = HEARTH_TYPE_F16;

    hearth_operation& add(int32_t kind, std::initializer_list<int32_t> inputs,
                          std::initializer_list<int32_t> outputs, std::initializer_list<int32_t> used) {
        hearth_operation operation{};
        operation.kind = kind;
        for (int32_t& slot : operation.input) slot = -1;
        for (int32_t& slot : operation.output) slot = -1;
        for (int32_t& slot : operation.weight) slot = -1;
        std::copy(inputs.begin(), inputs.end(), operation.input);
        std::copy(outputs.begin(), outputs.end(), operation.output);
        std::copy(used.begin(), used.end(), operation.weight);
        operations.push_back(operation);
        return operations.back();
    }
    int32_t value(int32_t width) {
        widths.push_back(width);
        return static_cast<int32_t>(widths.size()) - 1;
    }
    int32_t weight(int64_t rows, int64_t columns, int32_t type = HEARTH_TYPE_F32, int32_t stack = 1) {
        weights.push_back({type, stack, columns, rows});
        return static_cast<int32_t>(weights.size()) - 1;
    }
};

// A decoder of one layer: tables, norms, rotated attention over the cache, a quantized head.
Source decoder() {
    Source s;
    const int32_t table = s.weight(10, 32), norm = s.weight(1, 32), query = s.weight(32, 32),
                  key = s.weight(16, 32), values = s.weight(16, 32), positions = s.weight(16, 32),
                  head = s.weight(10, 32, HEARTH_TYPE_Q8_0);
    const int32_t e = s.value(32), p = s.value(32), x = s.value(32), n = s.value(32), q = s.value(32),
                  k = s.value(16), v = s.value(16), r = s.value(32), a = s.value(32), y = s.value(32),
                  g = s.value(32), logits = s.value(10);
    s.add(HEARTH_EMBED, {}, {e}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    s.add(HEARTH_EMBED, {}, {p}, {positions}).parameters.embed = {HEARTH_INDEX_POSITION, 1.0f, 0, 0};
    s.add(HEARTH_ADD, {e, p}, {x}, {});
    s.add(HEARTH_RMS_NORM, {x}, {n}, {norm}).parameters.norm = {1e-5f, 0};
    s.add(HEARTH_LINEAR, {n}, {q, k, v}, {query, key, values});
    s.add(HEARTH_ROPE, {q}, {r}, {}).parameters.rope = {
        HEARTH_ROPE_HALVES, 16, 16, 0, 10000, 1, 0, 1, 32, 1, 0};
    s.add(HEARTH_CACHE_WRITE, {k, v}, {}, {}).parameters.cache_write = {0, 1, 16, 16};
    hearth_attention_parameters& attention = s.add(HEARTH_ATTENTION, {r}, {a}, {}).parameters.attention;
    attention.heads = 2;
    attention.kv_heads = 1;
    attention.key_width = attention.value_width = 16;
    attention.scale = 0.25f;
    s.add(HEARTH_ADD, {x, a}, {y}, {});
    s.add(HEARTH_GATHER, {y}, {g}, {});
    s.add(HEARTH_LINEAR, {g}, {logits}, {head});
    s.layers = {{1, 16, 16}};
    s.result = logits;
    return s;
}

// An encoder of one layer, whose rows see each other and become one row a text.
Source encoder() {
    Source s;
    const int32_t table = s.weight(10, 32), scale = s.weight(1, 32), shift = s.weight(1, 32),
                  in = s.weight(32, 32), up = s.weight(48, 32, HEARTH_TYPE_F16),
                  down = s.weight(32, 48, HEARTH_TYPE_BF16);
    const int32_t x = s.value(32), n = s.value(32), q = s.value(32), k = s.value(32), v = s.value(32),
                  a = s.value(32), u = s.value(48), c = s.value(48), d = s.value(32), y = s.value(32),
                  o = s.value(32);
    s.add(HEARTH_EMBED, {}, {x}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    s.add(HEARTH_LAYER_NORM, {x}, {n}, {scale, shift}).parameters.norm = {1e-5f, 0};
    s.add(HEARTH_LINEAR, {n}, {q, k, v}, {in, in, in});
    hearth_attention_parameters& attention = s.add(HEARTH_ATTENTION, {q, k, v}, {a}, {}).parameters.attention;
    attention.source = HEARTH_SOURCE_ROWS;
    attention.mask = HEARTH_MASK_BIDIRECTIONAL;
    attention.heads = attention.kv_heads = 2;
    attention.key_width = attention.value_width = 16;
    attention.scale = 0.25f;
    s.add(HEARTH_LINEAR, {a}, {u}, {up});
    s.add(HEARTH_ACTIVATION, {u}, {c}, {}).parameters.activation = {HEARTH_FUNCTION_GELU, 0, 0, 0, 0};
    s.add(HEARTH_LINEAR, {c}, {d}, {down});
    s.add(HEARTH_ADD, {x, d}, {y}, {});
    s.add(HEARTH_POOL, {y}, {o}, {});
    s.result = o;
    return s;
}

// Experts, and the operations that cut and join values.
Source experts() {
    Source s;
    const int32_t table = s.weight(10, 16), router = s.weight(4, 16),
                  gate = s.weight(24, 16, HEARTH_TYPE_F32, 4), down = s.weight(16, 24, HEARTH_TYPE_F32, 4);
    const int32_t x = s.value(16), scores = s.value(4), weights = s.value(2), choice = s.value(2),
                  inner = s.value(48), pieces = s.value(32), sum = s.value(16), sliced = s.value(8),
                  joined = s.value(24), clamped = s.value(24), gathered = s.value(24);
    s.add(HEARTH_EMBED, {}, {x}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    s.add(HEARTH_LINEAR, {x}, {scores}, {router});
    hearth_router_parameters& route = s.add(HEARTH_ROUTER, {scores}, {weights, choice}, {}).parameters.router;
    route.chosen = 2;
    route.gating = HEARTH_GATING_SOFTMAX;
    route.normalize = 1;
    route.scale = 1;
    s.add(HEARTH_EXPERT_LINEAR, {x, choice}, {inner}, {gate});
    s.add(HEARTH_EXPERT_LINEAR, {inner, choice}, {pieces}, {down});
    s.add(HEARTH_EXPERT_SUM, {pieces, weights}, {sum}, {});
    s.add(HEARTH_SLICE, {sum}, {sliced}, {}).parameters.slice = {2, 1, 4};
    s.add(HEARTH_CONCAT, {sum, sliced}, {joined}, {}).parameters.concat = {2};
    s.add(HEARTH_CLAMP, {joined}, {clamped}, {}).parameters.clamp = {-1, 1};
    s.add(HEARTH_GATHER, {clamped}, {gathered}, {});
    s.result = gathered;
    return s;
}

// Layers that keep states: a convolution, a scan, the delta rule and RWKV's recurrence.
Source states() {
    Source s;
    const int32_t table = s.weight(10, 16), taps = s.weight(1, 3 * 16), decay = s.weight(1, 2),
                  inner = s.weight(16, 16), few = s.weight(2, 16);
    const int32_t x = s.value(16), c = s.value(16), a = s.value(16), b = s.value(16), d = s.value(2),
                  y = s.value(16), o = s.value(16), g = s.value(16), z = s.value(16);
    s.add(HEARTH_EMBED, {}, {x}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    s.add(HEARTH_SHORT_CONVOLUTION, {x}, {c}, {taps}).parameters.convolution = {0, 3, HEARTH_FUNCTION_SILU};
    s.add(HEARTH_LINEAR, {c}, {a, b, d}, {inner, inner, few});
    s.add(HEARTH_SELECTIVE_SCAN, {c, d, a, b}, {y}, {decay}).parameters.scan = {1, 2, 8, 8, 2, 0};
    s.add(HEARTH_DELTA_RULE, {a, b, y, d, d}, {o}, {}).parameters.delta = {2, 2, 2, 8, 8, 1, 1, 0.5f};
    s.add(HEARTH_WKV, {a, b, o, c, a, b}, {z}, {}).parameters.wkv = {3, 2, 8, 8, 0.5f};
    s.add(HEARTH_GATHER, {z}, {g}, {});
    s.states = {32, 128, 128, 128};
    s.result = g;
    return s;
}

struct StepSource {
    std::vector<int32_t> tokens{1, 2, 3}, positions{0, 1, 2}, pages{0, 1}, output_rows{2};
    std::vector<hearth_sequence> sequences{{0, 3, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}};
    std::vector<hearth_checkpoint> checkpoints;
};

void damage(Source& s, StepSource& step, Input& input) {
    switch (input.byte() % 14) {
        case 0:
        case 1:
        case 2: {
            if (s.operations.empty()) return;
            int32_t words[sizeof(hearth_operation) / sizeof(int32_t)];
            hearth_operation& operation = s.operations[input.below(s.operations.size())];
            std::memcpy(words, &operation, sizeof words);
            words[input.below(sizeof words / sizeof *words)] = static_cast<int32_t>(input.number());
            std::memcpy(&operation, words, sizeof words);
            return;
        }
        case 3: {
            hearth_weight& weight = s.weights[input.below(s.weights.size())];
            switch (input.byte() % 4) {
                case 0:
                    weight.type = static_cast<int32_t>(input.number());
                    return;
                case 1:
                    weight.stack = static_cast<int32_t>(input.number());
                    return;
                case 2:
                    weight.columns = input.number();
                    return;
                default:
                    weight.rows = input.number();
                    return;
            }
        }
        case 4:
            s.widths[input.below(s.widths.size())] = static_cast<int32_t>(input.number());
            return;
        case 5: {
            int32_t* const numbers[] = {&s.result, &s.max_rows, &s.max_output_rows, &s.cache_type};
            *numbers[input.below(4)] = static_cast<int32_t>(input.number());
            return;
        }
        case 6:
            if (!s.operations.empty() && s.operations.size() < 32)
                s.operations.push_back(s.operations[input.below(s.operations.size())]);
            return;
        case 7:
            if (!s.operations.empty())
                s.operations.erase(s.operations.begin() +
                                   static_cast<std::ptrdiff_t>(input.below(s.operations.size())));
            return;
        case 8:
            if (!s.layers.empty()) {
                hearth_cache_layer& layer = s.layers[input.below(s.layers.size())];
                int32_t* const numbers[] = {&layer.kv_heads, &layer.key_width, &layer.value_width};
                *numbers[input.below(3)] = static_cast<int32_t>(input.number());
            }
            return;
        case 9: {
            std::vector<int32_t>* const lists[] = {&step.tokens, &step.positions, &step.pages,
                                                   &step.output_rows};
            std::vector<int32_t>& list = *lists[input.below(4)];
            if (!list.empty()) list[input.below(list.size())] = static_cast<int32_t>(input.number());
            return;
        }
        case 10: {
            // Rows have tokens and positions, as the caller promises.
            const size_t size = input.below(12);
            switch (input.byte() % 3) {
                case 0:
                    step.tokens.resize(size, 4);
                    step.positions.resize(size, 1);
                    return;
                case 1:
                    step.pages.resize(size, 1);
                    return;
                default:
                    step.output_rows.resize(size, 0);
                    return;
            }
        }
        case 11:
            if (!s.states.empty()) s.states[input.below(s.states.size())] = input.number();
            return;
        case 12: {
            if (step.checkpoints.size() < 3) step.checkpoints.push_back({1, 1});
            hearth_checkpoint& checkpoint = step.checkpoints[input.below(step.checkpoints.size())];
            (input.byte() % 2 == 0 ? checkpoint.rows : checkpoint.state) =
                static_cast<int32_t>(input.number());
            return;
        }
        default: {
            if (step.sequences.size() < 6 && input.byte() % 4 == 0)
                step.sequences.push_back(step.sequences.back());
            int32_t words[sizeof(hearth_sequence) / sizeof(int32_t)];
            hearth_sequence& sequence = step.sequences[input.below(step.sequences.size())];
            std::memcpy(words, &sequence, sizeof words);
            words[input.below(sizeof words / sizeof *words)] = static_cast<int32_t>(input.number());
            std::memcpy(&sequence, words, sizeof words);
        }
    }
}

// Bytes of a weight, or 0 where it is too large to be loaded here.
size_t bytes_of(const hearth_weight& weight) {
    size_t block = 1, block_bytes = 0;
    switch (weight.type) {
        case HEARTH_TYPE_F32:
            block_bytes = 4;
            break;
        case HEARTH_TYPE_F16:
        case HEARTH_TYPE_BF16:
            block_bytes = 2;
            break;
        case HEARTH_TYPE_Q8_0:
            block = 32, block_bytes = 34;
            break;
        case HEARTH_TYPE_Q4_0:
            block = 32, block_bytes = 18;
            break;
        default:
            return 64;  // of a wrong size, which is refused
    }
    double bytes = static_cast<double>(block_bytes);
    for (const int64_t extent : {weight.columns, weight.rows, static_cast<int64_t>(weight.stack)})
        bytes *= static_cast<double>(extent);
    bytes /= static_cast<double>(block);
    return bytes > 0 && bytes <= static_cast<double>(kMostWeightBytes) ? static_cast<size_t>(bytes) : 0;
}

void run(hearth_model* model, hearth_cache* cache, const Source& s, const StepSource& step) {
    const size_t width = s.result >= 0 && static_cast<size_t>(s.result) < s.widths.size()
                             ? static_cast<size_t>(s.widths[static_cast<size_t>(s.result)])
                             : 1;
    std::vector<float> output(step.output_rows.size() * width);
    hearth_step native{};
    native.tokens = step.tokens.data();
    native.positions = step.positions.data();
    native.sequences = step.sequences.data();
    native.pages = step.pages.data();
    native.output_rows = step.output_rows.data();
    native.output = output.data();
    native.output_size = output.size();
    native.checkpoints = step.checkpoints.data();
    native.checkpoint_count = static_cast<int32_t>(step.checkpoints.size());
    native.row_count = static_cast<int32_t>(step.tokens.size());
    native.sequence_count = static_cast<int32_t>(step.sequences.size());
    native.page_count = static_cast<int32_t>(step.pages.size());
    native.output_count = static_cast<int32_t>(step.output_rows.size());
    hearth_model_run(model, cache, nullptr, &native, sizeof native);
}

hearth_engine* engine() {
    static hearth_engine* const shared = [] {
        const hearth_engine_options options{1, HEARTH_ISA_BEST, 0, 0};
        hearth_engine* made = nullptr;
        hearth_engine_create(&options, sizeof options, &made);
        return made;
    }();
    return shared;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input(data, size);
    Source (*const sources[])() = {decoder, encoder, experts, states};
    Source s = sources[input.below(4)]();
    StepSource step;
    if (!s.states.empty()) step.sequences[0].state_from = -1;
    while (!input.is_empty()) damage(s, step, input);

    const hearth_program program{s.operations.data(),
                                 s.widths.data(),
                                 s.weights.data(),
                                 static_cast<int32_t>(s.operations.size()),
                                 static_cast<int32_t>(s.widths.size()),
                                 static_cast<int32_t>(s.weights.size()),
                                 s.result,
                                 s.max_rows,
                                 s.max_output_rows};
    hearth_model* model = nullptr;
    if (hearth_model_create(engine(), &program, sizeof program, &model) != HEARTH_OK) return 0;
    hearth_cache* cache = nullptr;
    if (!s.layers.empty() || !s.states.empty()) {
        const hearth_cache_options options{s.layers.data(),
                                           static_cast<int32_t>(s.layers.size()),
                                           s.cache_type,
                                           s.cache_type,
                                           8,
                                           4,
                                           s.states.empty() ? nullptr : s.states.data(),
                                           static_cast<int32_t>(s.states.size()),
                                           s.states.empty() ? 0 : 4};
        hearth_cache_create(engine(), &options, sizeof options, &cache);
    }

    size_t total = 0;
    for (size_t i = 0; i < s.weights.size() && total <= kMostWeightBytes; ++i) {
        const size_t bytes = bytes_of(s.weights[i]);
        total += bytes == 0 ? kMostWeightBytes + 1 : bytes;
        if (total > kMostWeightBytes) break;
        std::vector<uint8_t> values(bytes);
        for (size_t b = 0; b < bytes; ++b) values[b] = static_cast<uint8_t>(b * 37 + i) & 0x3F;
        hearth_model_load_weight(model, static_cast<int32_t>(i), values.data(), values.size());
    }

    const bool is_small = s.max_rows <= 64 && total <= kMostWeightBytes;
    if (is_small) {
        run(model, cache, s, step);
        run(model, cache, s, StepSource{});
    }
    hearth_cache_destroy(cache);
    hearth_model_destroy(model);
    return 0;
}

#include "core/step.h"

#include <limits>

#include "core/error.h"

namespace hearth {

namespace {

constexpr int32_t kMaxPast = std::numeric_limits<int32_t>::max() / 2;

int64_t pages_for(int64_t tokens, int32_t page_tokens) {
    return (tokens + page_tokens - 1) / page_tokens;
}

// Values that lie in keys of a block type must be whole blocks too.
void check_values_in_keys(const Program& program, const Cache& cache, hearth_source source) {
    for (const hearth_operation& operation : program.operations()) {
        const hearth_attention_parameters& p = operation.parameters.attention;
        if (operation.kind == HEARTH_ATTENTION && p.source == source && p.values_in_keys)
            cache_row_bytes(cache.shape().key_type, p.value_width);
    }
}

// Whether a cache has the layers that a program reads and writes there.
void check_cache(const Program& program, const Cache* cache, hearth_source source) {
    const char* name = source == HEARTH_SOURCE_MEMORY ? "memory" : "cache";
    if (cache == nullptr) fail(HEARTH_INVALID_ARGUMENT, "this model needs a %s", name);
    const auto& shapes = source == HEARTH_SOURCE_MEMORY ? program.memory_layers() : program.cache_layers();
    for (size_t i = 0; i < shapes.size(); ++i) {
        if (shapes[i].kv_heads == 0) continue;
        if (i >= cache->shape().layers.size())
            fail(HEARTH_INVALID_ARGUMENT, "the %s has no layer %zu", name, i);
        const hearth_cache_layer& layer = cache->shape().layers[i];
        if (layer.kv_heads != shapes[i].kv_heads || layer.key_width != shapes[i].key_width ||
            layer.value_width != shapes[i].value_width)
            fail(HEARTH_INVALID_ARGUMENT, "layer %zu of the %s has another shape than the model's", i, name);
    }
    check_values_in_keys(program, *cache, source);
}

// Whether a cache has the states that a program keeps there.
void check_state_widths(const Program& program, const Cache* cache) {
    if (cache == nullptr) fail(HEARTH_INVALID_ARGUMENT, "this model needs a cache for its states");
    const auto &wanted = program.state_widths(), &there = cache->shape().state_widths;
    for (size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == 0) continue;
        if (i >= there.size()) fail(HEARTH_INVALID_ARGUMENT, "the cache has no state %zu", i);
        if (there[i] != wanted[i])
            fail(HEARTH_INVALID_ARGUMENT, "state %zu of the cache has %lld values, the model's %lld", i,
                 static_cast<long long>(there[i]), static_cast<long long>(wanted[i]));
    }
}

}  // namespace

CheckedStep StepChecker::check(const Program& program, Cache* cache, const Cache* memory,
                               const hearth_step& given, std::span<const hearth_probe> probes) {
    check_counts(program, given);
    copy(given);
    const hearth_step& step = step_;
    check_rows(program, step);
    check_output(program, step);
    const bool cached = !program.cache_layers().empty(), remembers = !program.memory_layers().empty();
    const bool keeps_states = !program.state_widths().empty();
    if (cached) check_cache(program, cache, HEARTH_SOURCE_CACHE);
    if (remembers) check_cache(program, memory, HEARTH_SOURCE_MEMORY);
    if (keeps_states) check_state_widths(program, cache);
    check_sequences(cached ? cache : nullptr, keeps_states, step);
    if (cached) check_pages(*cache, step);
    check_memory(remembers ? memory : nullptr, step);
    if (remembers) check_memory_pages(*memory, cached && memory == cache);
    check_states(keeps_states ? cache : nullptr, step);
    check_probes(program, probes);
    return {step_,
            sequences_,
            runs_,
            run_begins_,
            cached || keeps_states ? &cache->memory() : nullptr,
            remembers ? &memory->memory() : nullptr,
            probes};
}

void StepChecker::check_counts(const Program& program, const hearth_step& step) const {
    if (step.row_count < 1 || step.row_count > program.max_rows(RowKind::Step))
        fail(HEARTH_INVALID_ARGUMENT, "a step of this model has 1 to %lld rows, got %d",
             static_cast<long long>(program.max_rows(RowKind::Step)), step.row_count);
    if ((step.tokens == nullptr) == (step.embeddings == nullptr))
        fail(HEARTH_INVALID_ARGUMENT, "a step takes either tokens or embeddings");
    if (step.embeddings != nullptr && !program.takes_embeddings())
        fail(HEARTH_INVALID_ARGUMENT,
             "this model's tokens have ranges or widths of their own: it takes no embeddings");
    const size_t floats = step.embeddings == nullptr ? 0
                                                     : static_cast<size_t>(step.row_count) *
                                                           static_cast<size_t>(program.embedding_width());
    if (step.embeddings_size != floats)
        fail(HEARTH_INVALID_ARGUMENT, "embeddings must hold %zu values, they hold %zu", floats,
             step.embeddings_size);
    if (step.positions == nullptr) fail(HEARTH_INVALID_ARGUMENT, "positions are missing");
    if (step.output_count < 0 || step.output_count > program.max_rows(RowKind::Output))
        fail(HEARTH_INVALID_ARGUMENT, "a step of this model has at most %lld output rows, got %d",
             static_cast<long long>(program.max_rows(RowKind::Output)), step.output_count);
    if (step.output_count > 0 && step.output_rows == nullptr)
        fail(HEARTH_INVALID_ARGUMENT, "output rows are missing");
    if (step.sequence_count < 1 || step.sequence_count > step.row_count || step.sequences == nullptr)
        fail(HEARTH_INVALID_ARGUMENT, "a step has 1 to %d sequences, got %d", step.row_count,
             step.sequence_count);
    if (step.page_count < 0 || (step.page_count > 0 && step.pages == nullptr))
        fail(HEARTH_INVALID_ARGUMENT, "pages are missing");
    if (step.checkpoint_count < 0 || step.checkpoint_count > step.row_count ||
        (step.checkpoint_count > 0 && step.checkpoints == nullptr))
        fail(HEARTH_INVALID_ARGUMENT, "a step of %d rows has 0 to %d checkpoints, got %d", step.row_count,
             step.row_count, step.checkpoint_count);
}

void StepChecker::copy(const hearth_step& step) {
    const auto keep = [](auto& own, const auto*& pointer, int32_t count) {
        if (pointer == nullptr) return;
        own.assign(pointer, pointer + count);
        pointer = own.data();
    };
    step_ = step;
    keep(tokens_, step_.tokens, step.row_count);
    keep(positions_, step_.positions, step.row_count);
    keep(given_, step_.sequences, step.sequence_count);
    keep(pages_, step_.pages, step.page_count);
    keep(output_rows_, step_.output_rows, step.output_count);
    keep(checkpoints_, step_.checkpoints, step.checkpoint_count);
}

void StepChecker::check_rows(const Program& program, const hearth_step& step) const {
    for (int32_t i = 0; i < step.row_count; ++i) {
        if (step.positions[i] < 0 ||
            (program.embeds_positions() && step.positions[i] >= program.position_limit()))
            fail(HEARTH_INVALID_ARGUMENT, "row %d: position %d is out of range (limit %lld)", i,
                 step.positions[i],
                 static_cast<long long>(program.embeds_positions() ? program.position_limit()
                                                                   : std::numeric_limits<int32_t>::max()));
        if (step.tokens && (step.tokens[i] < 0 || step.tokens[i] >= program.token_limit()))
            fail(HEARTH_INVALID_ARGUMENT, "row %d: token %d is not one of the vocabulary's %lld", i,
                 step.tokens[i], static_cast<long long>(program.token_limit()));
    }
}

void StepChecker::check_output(const Program& program, const hearth_step& step) const {
    if (step.output_count == 0) return;
    const size_t width = static_cast<size_t>(program.values()[static_cast<size_t>(program.result())].width);
    if (step.output == nullptr || step.output_size < width * static_cast<size_t>(step.output_count))
        fail(HEARTH_INVALID_ARGUMENT, "output must hold %d rows of %zu, it holds %zu values",
             step.output_count, width, step.output_size);
    for (int32_t i = 0; i < step.output_count; ++i) {
        const int32_t row = step.output_rows[i];
        if (row < 0 || row >= step.row_count || (i > 0 && row <= step.output_rows[i - 1]))
            fail(HEARTH_INVALID_ARGUMENT, "output row %d: %d is out of range or out of order", i, row);
    }
}

void StepChecker::check_sequences(const Cache* cache, bool keeps_states, const hearth_step& step) {
    sequences_.clear();
    int32_t next_row = 0;
    for (int32_t i = 0; i < step.sequence_count; ++i) {
        const hearth_sequence& s = step.sequences[i];
        if (s.row_begin != next_row || s.row_count < 1 || s.row_count > step.row_count - next_row)
            fail(HEARTH_INVALID_ARGUMENT, "sequence %d: rows %d + %d do not follow row %d", i, s.row_begin,
                 s.row_count, next_row);
        next_row += s.row_count;
        if (s.past < 0 || s.past > kMaxPast)
            fail(HEARTH_INVALID_ARGUMENT, "sequence %d: past must be 0 to %d, got %d", i, kMaxPast, s.past);
        const int32_t* pages = nullptr;
        if (cache != nullptr) {
            const int64_t needed = pages_for(int64_t{s.past} + s.row_count, cache->shape().page_tokens);
            if (s.page_begin < 0 || s.page_count < 0 || s.page_begin > step.page_count ||
                s.page_count > step.page_count - s.page_begin || s.page_count < needed)
                fail(HEARTH_INVALID_ARGUMENT, "sequence %d: needs %lld pages, its table has %d of %d", i,
                     static_cast<long long>(needed), s.page_count, step.page_count);
            pages = step.pages + s.page_begin;
        } else if (s.past != 0 && !keeps_states) {
            fail(HEARTH_INVALID_ARGUMENT, "sequence %d: a model without a cache has no past", i);
        }
        sequences_.push_back({s.row_begin, s.row_count, s.past, pages});
    }
    if (next_row != step.row_count)
        fail(HEARTH_INVALID_ARGUMENT, "sequences cover %d of %d rows", next_row, step.row_count);
}

// A page that is written in this step must belong to its writer alone: kernels of several sequences run side
// by side.
void StepChecker::check_pages(const Cache& cache, const hearth_step& step) {
    const size_t count = static_cast<size_t>(cache.shape().page_count);
    if (written_in_.size() < count) {
        written_in_.resize(count, 0);
        written_by_.resize(count, -1);
    }
    ++step_number_;
    const int32_t page_tokens = cache.shape().page_tokens;
    for (int32_t i = 0; i < step.sequence_count; ++i) {
        const SequenceRows& s = sequences_[static_cast<size_t>(i)];
        const int64_t end = pages_for(int64_t{s.past} + s.row_count, page_tokens);
        for (int64_t p = 0; p < end; ++p)
            if (s.pages[p] < 0 || s.pages[p] >= cache.shape().page_count)
                fail(HEARTH_INVALID_ARGUMENT, "sequence %d: page %d is not one of the cache's %d", i,
                     s.pages[p], cache.shape().page_count);
        for (int64_t p = s.past / page_tokens; p < end; ++p) {
            const size_t page = static_cast<size_t>(s.pages[p]);
            if (written_in_[page] == step_number_)
                fail(HEARTH_INVALID_ARGUMENT, "page %d is written twice in one step", s.pages[p]);
            written_in_[page] = step_number_;
            written_by_[page] = i;
        }
    }
    for (int32_t i = 0; i < step.sequence_count; ++i) {
        const SequenceRows& s = sequences_[static_cast<size_t>(i)];
        for (int64_t p = 0; p < s.past / page_tokens; ++p) {
            const size_t page = static_cast<size_t>(s.pages[p]);
            if (written_in_[page] == step_number_)
                fail(HEARTH_INVALID_ARGUMENT, "page %d is read by sequence %d while sequence %d writes it",
                     s.pages[p], i, written_by_[page]);
        }
    }
}

// memory is null where the program attends to none.
void StepChecker::check_memory(const Cache* memory, const hearth_step& step) {
    for (int32_t i = 0; i < step.sequence_count; ++i) {
        const hearth_sequence& s = step.sequences[i];
        if (memory == nullptr) {
            if (s.memory_begin != 0 || s.memory_count != 0 || s.memory_length != 0)
                fail(HEARTH_INVALID_ARGUMENT, "sequence %d: this model attends to no memory", i);
            continue;
        }
        if (s.memory_length < 1 || s.memory_length > kMaxPast)
            fail(HEARTH_INVALID_ARGUMENT, "sequence %d: memory_length must be 1 to %d, got %d", i, kMaxPast,
                 s.memory_length);
        const int64_t needed = pages_for(s.memory_length, memory->shape().page_tokens);
        if (s.memory_begin < 0 || s.memory_count < 0 || s.memory_begin > step.page_count ||
            s.memory_count > step.page_count - s.memory_begin || s.memory_count < needed)
            fail(HEARTH_INVALID_ARGUMENT, "sequence %d: needs %lld pages of memory, its table has %d of %d",
                 i, static_cast<long long>(needed), s.memory_count, step.page_count);
        SequenceRows& rows = sequences_[static_cast<size_t>(i)];
        rows.memory_pages = step.pages + s.memory_begin;
        rows.memory_length = s.memory_length;
    }
}

// Any number of sequences may share a page of the memory, since none writes it.
void StepChecker::check_memory_pages(const Cache& memory, bool is_written) const {
    for (size_t i = 0; i < sequences_.size(); ++i) {
        const SequenceRows& s = sequences_[i];
        const int64_t count = pages_for(s.memory_length, memory.shape().page_tokens);
        for (int64_t p = 0; p < count; ++p) {
            const int32_t page = s.memory_pages[p];
            if (page < 0 || page >= memory.shape().page_count)
                fail(HEARTH_INVALID_ARGUMENT, "sequence %zu: page %d is not one of the memory's %d", i, page,
                     memory.shape().page_count);
            if (is_written && written_in_[static_cast<size_t>(page)] == step_number_)
                fail(HEARTH_INVALID_ARGUMENT, "page %d is memory of sequence %zu while sequence %d writes it",
                     page, i, written_by_[static_cast<size_t>(page)]);
        }
    }
}

// A state that is written in this step belongs to its writer alone. cache is null where the program keeps
// none.
void StepChecker::check_states(const Cache* cache, const hearth_step& step) {
    runs_.clear();
    run_begins_.clear();
    if (cache == nullptr) {
        for (int32_t i = 0; i < step.sequence_count; ++i) {
            const hearth_sequence& s = step.sequences[i];
            if (s.state_from != 0 || s.state != 0 || s.checkpoint_begin != 0 || s.checkpoint_count != 0)
                fail(HEARTH_INVALID_ARGUMENT, "sequence %d: this model keeps no state", i);
        }
        return;
    }
    state_writer_.assign(static_cast<size_t>(cache->shape().state_count), -1);
    for (int32_t i = 0; i < step.sequence_count; ++i) {
        const hearth_sequence& s = step.sequences[i];
        if (s.state_from < -1 || s.state_from >= cache->shape().state_count ||
            (s.state_from < 0) != (s.past == 0))
            fail(HEARTH_INVALID_ARGUMENT,
                 "sequence %d: after %d rows it goes on from state %d, expected %s of the cache's %d", i,
                 s.past, s.state_from, s.past == 0 ? "-1 and none" : "one", cache->shape().state_count);
        run_begins_.push_back(static_cast<int32_t>(runs_.size()));
        add_runs(i, s, step);
        for (size_t r = static_cast<size_t>(run_begins_.back()); r < runs_.size(); ++r)
            write_state(i, runs_[r].to, *cache);
    }
    run_begins_.push_back(static_cast<int32_t>(runs_.size()));
    for (int32_t i = 0; i < step.sequence_count; ++i) {
        const hearth_sequence& s = step.sequences[i];
        if (s.state_from < 0) continue;
        // Only as the last of its states may a sequence write over the one that it goes on from: each
        // operation reads that first.
        const int32_t writer = state_writer_[static_cast<size_t>(s.state_from)];
        if (writer >= 0 && writer != i)
            fail(HEARTH_INVALID_ARGUMENT, "state %d is read by sequence %d while sequence %d writes it",
                 s.state_from, i, writer);
    }
}

void StepChecker::add_runs(int32_t index, const hearth_sequence& s, const hearth_step& step) {
    if (s.checkpoint_begin < 0 || s.checkpoint_count < 0 || s.checkpoint_begin > step.checkpoint_count ||
        s.checkpoint_count > step.checkpoint_count - s.checkpoint_begin)
        fail(HEARTH_INVALID_ARGUMENT, "sequence %d: checkpoints %d + %d are not among the step's %d", index,
             s.checkpoint_begin, s.checkpoint_count, step.checkpoint_count);
    int32_t row = 0, from = s.state_from;
    for (int32_t i = 0; i < s.checkpoint_count; ++i) {
        const hearth_checkpoint& c = step.checkpoints[s.checkpoint_begin + i];
        if (c.rows <= row || c.rows >= s.row_count)
            fail(HEARTH_INVALID_ARGUMENT, "sequence %d: a checkpoint after %d rows, expected %d to %d", index,
                 c.rows, row + 1, s.row_count - 1);
        runs_.push_back({int64_t{s.row_begin} + row, c.rows - row, from, c.state});
        row = c.rows;
        from = c.state;
    }
    runs_.push_back({int64_t{s.row_begin} + row, s.row_count - row, from, s.state});
}

void StepChecker::write_state(int32_t index, int32_t state, const Cache& cache) {
    if (state < 0 || state >= cache.shape().state_count)
        fail(HEARTH_INVALID_ARGUMENT, "sequence %d: state %d is not one of the cache's %d", index, state,
             cache.shape().state_count);
    int32_t& writer = state_writer_[static_cast<size_t>(state)];
    if (writer >= 0) fail(HEARTH_INVALID_ARGUMENT, "state %d is written twice in one step", state);
    writer = index;
}

int64_t StepChecker::most_keys(const hearth_attention_parameters& parameters) const {
    int64_t most = 0;
    for (const SequenceRows& s : sequences_)
        most = std::max<int64_t>(most, parameters.source == HEARTH_SOURCE_MEMORY ? int64_t{s.memory_length}
                                       : parameters.source == HEARTH_SOURCE_ROWS
                                           ? int64_t{s.row_count}
                                           : int64_t{s.past} + s.row_count);
    return most;
}

void StepChecker::check_probes(const Program& program, std::span<const hearth_probe> probes) const {
    const auto& operations = program.operations();
    for (size_t i = 0; i < probes.size(); ++i) {
        const hearth_probe& probe = probes[i];
        if (probe.operation < 0 || static_cast<size_t>(probe.operation) >= operations.size() ||
            operations[static_cast<size_t>(probe.operation)].kind != HEARTH_ATTENTION)
            fail(HEARTH_INVALID_ARGUMENT, "probe %zu: operation %d is no attention of this program", i,
                 probe.operation);
        const auto& parameters = operations[static_cast<size_t>(probe.operation)].parameters.attention;
        if (probe.head_begin < 0 || probe.head_count < 1 || probe.head_begin >= parameters.heads ||
            probe.head_count > parameters.heads - probe.head_begin)
            fail(HEARTH_INVALID_ARGUMENT, "probe %zu: heads %d + %d are not among the operation's %d", i,
                 probe.head_begin, probe.head_count, parameters.heads);
        if (const int64_t keys = most_keys(parameters); probe.key_count < keys)
            fail(HEARTH_INVALID_ARGUMENT, "probe %zu: a sequence has %lld keys, there is room for %d", i,
                 static_cast<long long>(keys), probe.key_count);
        // Two factors fit 64 bits, three may not.
        const uint64_t lines =
            static_cast<uint64_t>(step_.row_count) * static_cast<uint64_t>(probe.head_count);
        if (probe.probabilities == nullptr || probe.size % lines != 0 ||
            probe.size / lines != static_cast<uint64_t>(probe.key_count))
            fail(HEARTH_INVALID_ARGUMENT, "probe %zu must hold %d x %d x %d values, it holds %zu", i,
                 step_.row_count, probe.head_count, probe.key_count, probe.size);
    }
}

}  // namespace hearth

// What the machine can do, so that a speed can be told as a share of it.
#pragma once

#include <cstddef>

#include "core/engine.h"

namespace hearth {

// Bytes a second that all threads of the engine together read from memory that no cache holds: the best of
// some passes over a buffer of the given size, since neighbours on the machine only ever make a pass slower.
double measure_read_bandwidth(Engine& engine, size_t bytes);

// Multiply-adds a second of all threads together, by the engine's instruction set on registers alone.
struct Arithmetic {
    double int8, float32;
};
Arithmetic measure_arithmetic(Engine& engine);

}  // namespace hearth

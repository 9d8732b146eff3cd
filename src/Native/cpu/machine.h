// What the processor is called, and what it can do, so that a speed can be told as a share of it.
#pragma once

#include <cstddef>
#include <string>

#include "cpu/engine.h"
#include "hearth.h"

namespace hearth {

// Bytes a second that all threads of the engine together read from memory that no cache holds: the best of
// some passes over a buffer of the given size, since neighbours on the machine only ever make a pass slower.
double measure_read_bandwidth(Engine& engine, size_t bytes);

// Multiply-adds a second of all threads together, by the engine's instruction set on registers alone.
hearth_arithmetic measure_arithmetic(Engine& engine);

// The model's name as the system tells it, or "unknown".
std::string processor_name();

}  // namespace hearth

// Errors inside the engine: thrown as Error, turned into a status and a message at the C boundary (abi.cpp).
#pragma once

#include <cstdarg>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "hearth.h"

// Checks a printf-style function's arguments; GCC for Windows knows two kinds of printf, of which the build asks for its own.
#if defined(__MINGW32__) && !defined(__clang__)
#define HEARTH_PRINTF(format_index, first) __attribute__((format(gnu_printf, format_index, first)))
#else
#define HEARTH_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#endif

namespace hearth {

class Error : public std::runtime_error {
  public:
    Error(hearth_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
    hearth_status status() const { return status_; }

  private:
    hearth_status status_;
};

// Throws an Error with a printf-style message.
[[noreturn]] inline void fail(hearth_status status, const char* format, ...) HEARTH_PRINTF(2, 3);

inline void fail(hearth_status status, const char* format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    throw Error(status, text);
}

}  // namespace hearth

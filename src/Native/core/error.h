// Errors inside the engine: thrown as Error, turned into a status and a message at the C boundary (abi.cpp).
#pragma once

#include <cstdarg>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "hearth.h"

namespace hearth {

class Error : public std::runtime_error {
  public:
    Error(hearth_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
    hearth_status status() const { return status_; }

  private:
    hearth_status status_;
};

// Throws an Error with a printf-style message.
[[noreturn]] inline void fail(hearth_status status, const char* format, ...)
    __attribute__((format(printf, 2, 3)));

inline void fail(hearth_status status, const char* format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    throw Error(status, text);
}

}  // namespace hearth

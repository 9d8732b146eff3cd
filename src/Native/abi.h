// What the functions of hearth.h share: argument checks, and exceptions turned into statuses.
#pragma once

#include <cstddef>
#include <exception>
#include <new>

#include "core/error.h"
#include "hearth.h"

namespace hearth {

// The message of the last failure on this thread.
void remember(const char* message) noexcept;

// Runs body and turns what it throws into a status.
template <typename Body>
hearth_status guarded(Body&& body) noexcept {
    try {
        body();
        return HEARTH_OK;
    } catch (const Error& error) {
        remember(error.what());
        return error.status();
    } catch (const std::bad_alloc&) {
        remember("memory could not be had");
        return HEARTH_OUT_OF_MEMORY;
    } catch (const std::exception& error) {
        remember(error.what());
        return HEARTH_INTERNAL;
    } catch (...) {
        remember("an unknown fault");
        return HEARTH_INTERNAL;
    }
}

// Checks a pointer to a struct and that both sides agree on its size.
template <typename T>
const T& checked(const T* pointer, size_t size, const char* name) {
    if (pointer == nullptr) fail(HEARTH_INVALID_ARGUMENT, "%s is null", name);
    if (size != sizeof(T))
        fail(HEARTH_INVALID_ARGUMENT, "%s has %zu bytes, this library expects %zu", name, size, sizeof(T));
    return *pointer;
}

template <typename T>
T& required(T* pointer, const char* name) {
    if (pointer == nullptr) fail(HEARTH_INVALID_ARGUMENT, "%s is null", name);
    return *pointer;
}

}  // namespace hearth

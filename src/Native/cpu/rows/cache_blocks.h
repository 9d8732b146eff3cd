// GGUF's blocks that the cache may hold, 32 values each.
#pragma once

#include <stdint.h>

namespace hearth {

constexpr int kCacheBlock = 32;

// value i = scale * codes[i]
struct CacheBlockQ8_0 {
    uint16_t scale;  // float16
    int8_t codes[kCacheBlock];
};
static_assert(sizeof(CacheBlockQ8_0) == 34);

// value i = scale * (nibble i - 8); the low nibbles are values 0 .. 15, the high ones 16 .. 31
struct CacheBlockQ4_0 {
    uint16_t scale;  // float16
    uint8_t codes[kCacheBlock / 2];
};
static_assert(sizeof(CacheBlockQ4_0) == 18);

}  // namespace hearth

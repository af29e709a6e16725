#include "CSkein.h"

#include <string.h>

// The table form serves processors without the instruction, and checks it in the tests.
static uint32_t table_entry(uint32_t index) {
    uint32_t crc = index;
    for (int bit = 0; bit < 8; bit++) {
        crc = (crc >> 1) ^ (0x82F63B78u & (0u - (crc & 1u)));
    }
    return crc;
}

static uint32_t crc32c_portable(uint32_t crc, const uint8_t *bytes, size_t count) {
    while (count--) {
        crc = (crc >> 8) ^ table_entry((crc ^ *bytes++) & 0xFFu);
    }
    return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(
    uint32_t crc, const uint8_t *bytes, size_t count) {
    uint64_t wide = crc;
    while (count >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        wide = _mm_crc32_u64(wide, word);
        bytes += 8;
        count -= 8;
    }
    uint32_t narrow = (uint32_t)wide;
    while (count--) {
        narrow = _mm_crc32_u8(narrow, *bytes++);
    }
    return narrow;
}

uint32_t skein_crc32c(uint32_t crc, const void *bytes, size_t count) {
    crc = ~crc;
    crc = __builtin_cpu_supports("sse4.2") ? crc32c_hardware(crc, bytes, count)
                                           : crc32c_portable(crc, bytes, count);
    return ~crc;
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

uint32_t skein_crc32c(uint32_t crc, const void *bytes, size_t count) {
    const uint8_t *cursor = bytes;
    crc = ~crc;
    while (count >= 8) {
        uint64_t word;
        memcpy(&word, cursor, 8);
        crc = __crc32cd(crc, word);
        cursor += 8;
        count -= 8;
    }
    while (count--) {
        crc = __crc32cb(crc, *cursor++);
    }
    return ~crc;
}
#else
uint32_t skein_crc32c(uint32_t crc, const void *bytes, size_t count) {
    return ~crc32c_portable(~crc, bytes, count);
}
#endif

// The few lines that Swift cannot say.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli) of `count` bytes, continued from `crc` (0 to begin). Uses the SSE 4.2
/// instruction where the processor has it.
uint32_t skein_crc32c(uint32_t crc, const void *bytes, size_t count);

// The few lines that Swift cannot say.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli) of `count` bytes, continued from `crc` (0 to begin). Uses the SSE 4.2
/// instruction where the processor has it.
uint32_t skein_crc32c(uint32_t crc, const void *bytes, size_t count);

/// Keeps the time of one `free` bounded: glibc joins its fast bins within a single call otherwise
/// (50 ms at once with 300,000 dropped keys, against 0.75 ms).
void skein_bound_free(void);

/// Makes the calling thread yield to others: to `nice` where processors are short, to the end of the
/// queue where the disk's scheduler knows priorities.
void skein_yield_to_others(int nice);

/// Lets the system begin to write a range of a file to the disk, without waiting for it. Not a sync:
/// neither metadata nor the disk's own cache are flushed. 0, or an errno.
int skein_start_writeback(int descriptor, int64_t offset, int64_t count);

/// Waits until that range is written. 0, or an errno.
int skein_await_writeback(int descriptor, int64_t offset, int64_t count);

/// The commit that was built, as SKEIN_COMMIT told the build: "unknown" without it, and with "-dirty" at
/// its end when the sources differed from the commit.
const char *skein_commit(void);

/// Allocates the first `count` bytes of a file, without writing to them and without the emulation that
/// would. 0, or an errno: EOPNOTSUPP where the file system cannot.
int skein_allocate(int descriptor, int64_t count);

// sync_file_range, fallocate and ioprio_set are Linux's own, and out of Swift's reach.
#define _GNU_SOURCE
#include "CSkein.h"

#include <errno.h>

#if defined(__linux__)
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// From linux/ioprio.h, which not every system's headers have.
enum { IOPRIO_THREAD = 1, IOPRIO_BEST_EFFORT = 2, IOPRIO_CLASS_SHIFT = 13, IOPRIO_LOWEST = 7 };

void skein_yield_to_others(int nice) {
    // Both concern the calling thread only. Failing is no reason not to work.
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), nice);
    (void)syscall(SYS_ioprio_set, IOPRIO_THREAD, 0,
                  IOPRIO_BEST_EFFORT << IOPRIO_CLASS_SHIFT | IOPRIO_LOWEST);
}

int skein_start_writeback(int descriptor, int64_t offset, int64_t count) {
    return sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE) == 0 ? 0 : errno;
}

int skein_await_writeback(int descriptor, int64_t offset, int64_t count) {
    const unsigned flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                           SYNC_FILE_RANGE_WAIT_AFTER;
    return sync_file_range(descriptor, offset, count, flags) == 0 ? 0 : errno;
}

int skein_allocate(int descriptor, int64_t count) {
    int status;
    do status = fallocate(descriptor, 0, 0, count);
    while (status != 0 && errno == EINTR);
    return status == 0 ? 0 : errno;
}
#else
int skein_allocate(int descriptor, int64_t count) {
    (void)descriptor, (void)count;
    return ENOSYS;
}
void skein_yield_to_others(int nice) { (void)nice; }
int skein_start_writeback(int descriptor, int64_t offset, int64_t count) {
    (void)descriptor, (void)offset, (void)count;
    return ENOSYS;
}
int skein_await_writeback(int descriptor, int64_t offset, int64_t count) {
    return skein_start_writeback(descriptor, offset, count);
}
#endif

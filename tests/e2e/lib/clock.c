// For clock.mjs: the wall clock of one process, as many seconds off as a file says. Monotonic clocks stay as they are.
#define _GNU_SOURCE

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t* offset;

__attribute__((constructor)) static void begin(void)
{
    const char* path = getenv("EDGE_CLOCK_OFFSET");
    int fd = path ? open(path, O_RDONLY) : -1;
    if (fd < 0) return;
    void* at = mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) offset = at;
    close(fd);
}

int gettimeofday(struct timeval* restrict now, void* restrict zone)
{
    int rc = (int)syscall(SYS_gettimeofday, now, zone);
    if (rc == 0 && offset) now->tv_sec += *offset;
    return rc;
}

time_t time(time_t* out)
{
    struct timeval now;
    gettimeofday(&now, 0);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

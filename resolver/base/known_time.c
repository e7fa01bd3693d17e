#include "resolver/base/known_time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <unistd.h>

static const int64_t DAY_MS = 24 * 3600 * 1000, HOUR_MS = 3600 * 1000;

static bool path_make(const char *state, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/clock", state) < PATH_MAX;
}

int64_t known_time_read(const char *state)
{
    char path[PATH_MAX];
    int64_t seconds = 0;
    FILE *file = path_make(state, path) ? fopen(path, "re") : NULL;

    if (!file)
        return 0;
    if (fscanf(file, "%" SCNd64, &seconds) != 1 || seconds < 0 || seconds > INT64_MAX / 1000)
        seconds = 0;
    fclose(file);
    return seconds * 1000;
}

int known_time_write(const char *state, int64_t wall_ms)
{
    char path[PATH_MAX], text[24];
    /* One length and one block, written in place: what a power cut leaves is the old or the new. */
    int len = snprintf(text, sizeof text, "%019" PRId64 "\n", wall_ms / 1000), fd;
    ssize_t written;

    if (!path_make(state, path))
        return -ENAMETOOLONG;
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -errno;
    written = pwrite(fd, text, (size_t)len, 0);
    close(fd);
    return written == len ? 0 : -EIO;
}

bool known_time_is_synchronised(int64_t wall_ms)
{
    struct timex kernel = {0};
    int state = adjtimex(&kernel);

    return state >= 0 && state != TIME_ERROR && !(kernel.status & STA_UNSYNC) &&
           llabs((long long)((int64_t)kernel.time.tv_sec * 1000 - wall_ms)) < HOUR_MS;
}

bool known_time_allows(int64_t known_ms, int64_t floor_ms, int64_t wall_ms)
{
    bool near = known_ms == 0 || llabs((long long)(wall_ms - known_ms)) <= KNOWN_TIME_DAYS * DAY_MS;

    return (near && wall_ms >= floor_ms - DAY_MS) || known_time_is_synchronised(wall_ms);
}

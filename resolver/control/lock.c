#include "resolver/control/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/lists.h"

static int lock_fault(int fd, const char *state, struct bl_error *error)
{
    char holder[32] = "";
    ssize_t len = pread(fd, holder, sizeof holder - 1, 0);

    holder[len > 0 ? len : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
    return bl_error_set(
        error, -EBUSY,
        "another chalkgated (process %s) has the state folder %s; please stop it first, "
        "or give this one a `state` of its own",
        holder[0] ? holder : "?", state);
}

int state_lock(const char *state, int *out_fd, struct bl_error *error)
{
    char path[BL_PATH_MAX], text[32];
    int fd, code, len;

    if (snprintf(path, sizeof path, "%s/lock", state) >= (int)sizeof path)
        return bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    if (mkdir(state, 0755) < 0 && errno != EEXIST)
        return bl_error_set(error, -errno, "cannot make the state folder %s: %s", state,
                            strerror(errno));
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return bl_error_set(error, -errno,
                            "cannot open %s: %s. The state folder must belong to the "
                            "user that chalkgated runs as",
                            path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        code = errno == EWOULDBLOCK
                   ? lock_fault(fd, state, error)
                   : bl_error_set(error, -errno, "cannot lock %s: %s", path, strerror(errno));
        close(fd);
        return code;
    }
    len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0)
        (void)!pwrite(fd, text, (size_t)len, 0);
    *out_fd = fd;
    return 0;
}

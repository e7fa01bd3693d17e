/* The two sources of watch.h. Threads: the watch's one at a time, but for the faults, which
 * watch_describe() reads under `lock`. */
#ifndef RESOLVER_CONTROL_WATCH_INTERNAL_H
#define RESOLVER_CONTROL_WATCH_INTERNAL_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "resolver/base/clock.h"
#include "resolver/config/config.h"
#include "resolver/devices/devices.h"

struct neighbours {
    int fd; /* -1: there is none, and `fault` says why */
    uint32_t sequence;
    int64_t due_ms; /* monotonic: when to ask for all again */
    bool waiting;   /* an answer is under way */
    char fault[BL_ERROR_MAX];
};

struct lease_file {
    char path[PATH_MAX];
    struct stat seen; /* as it was when it was read last; all zeroes: never */
    int64_t read_ms;
    enum lease_format format;
    size_t count;
    char fault[BL_ERROR_MAX];
};

struct lease_files {
    struct lease_file items[LEASE_FILES_MAX];
    size_t count;
    int64_t due_ms;
    int64_t clocks_apart_ms; /* wall and monotonic: for clock_leapt() */
};

struct watch {
    struct daemon *daemon;
    struct devices *devices;
    struct neighbours neighbours;
    struct lease_files files;
    uint64_t applied; /* devices_changes() that the world in force knows of */
    int64_t apply_due_ms;
    int wake_fd;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
};

void neighbours_open(struct watch *watch);
/* Reads what the kernel has to tell now, without waiting. */
void neighbours_read(struct watch *watch, int64_t mono_ms);
void neighbours_ask(struct watch *watch, int64_t mono_ms); /* when it is due */

/* Looks which of the configuration's lease files have changed, and reads those; all of them where
 * the clock has leapt, as leases end by it. */
void lease_files_look(struct watch *watch, const struct config *config, struct moment now);

/* Notes a fault, or with "" that there is none, and logs what is new. */
void watch_fault(struct watch *watch, char fault[BL_ERROR_MAX], const char *text);

#endif

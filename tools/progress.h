/* How far an import has come: one line on standard error, rewritten a few times a second, and only
 * where that is a terminal. */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include "blocklists/read.h"

/* A stream that shows how much of it was read. */
struct progress_input {
    const struct bl_input *inner;
    const char *location;
    uint64_t bytes;
};

ssize_t progress_read(void *user, void *buffer, size_t len, struct bl_error *error);

/* For the compiler: names merged, of how many. */
void progress_compiling(void *user, uint64_t done, uint64_t total);

/* For downloads: `user` is the array of struct bl_fetch. */
void progress_fetching(void *user, size_t index, uint64_t bytes, uint64_t expected);

/* Takes the line away. */
void progress_clear(void);

#endif

/* The file of a day's counts: see asked_sums.h. Private to denials/. */
#ifndef RESOLVER_DENIALS_ASKED_FILE_H
#define RESOLVER_DENIALS_ASKED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"

struct asked_row {
    const char *group;
    const uint8_t *name; /* wire */
    size_t name_len;
    uint64_t count;
};

/* Writes a day's file anew: `next` gives rows until it returns false. 0 or a negative errno, and
 * then the old file is still there. */
int asked_file_write(const char *state, const char *day, unsigned least,
                     bool (*next)(void *user, struct asked_row *out_row), void *user,
                     struct bl_error *error);

/* Calls `each` for every row until it returns non-zero, and returns that. -ENOENT, -EBADMSG or
 * another negative errno with a sentence. */
int asked_file_read(const char *state, const char *day,
                    int (*each)(void *user, const struct asked_row *row), void *user,
                    struct bl_error *error);

#endif

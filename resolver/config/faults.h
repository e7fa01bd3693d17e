/* Faults of a configuration file, gathered so that all are told at once, and the nearest valid
 * word. Internal to resolver/config/.
 */
#ifndef RESOLVER_CONFIG_FAULTS_H
#define RESOLVER_CONFIG_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "resolver/config/config.h"

enum { FAULTS_MAX = 200 }; /* a file with more of them is shown the first */

struct fault {
    unsigned line, column; /* from 1; 0: about the file as a whole */
    size_t order;
    struct bl_error error;
};

struct faults {
    const char *path;
    struct fault *items;
    size_t count, room;
    size_t unshown;
};

void faults_add(struct faults *faults, unsigned line, unsigned column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Sorts by place and hands them over as whole messages; frees what `faults` had. */
void faults_finish(struct faults *faults, struct config_faults *out_faults);

/* Of the words offered so far, the one that is nearest to `wanted`, if any is near enough to be
 * meant. */
struct nearest {
    const char *wanted, *word;
    unsigned distance;
};

void nearest_offer(struct nearest *nearest, const char *word);

/* "; did you mean "gambling"?", or "" when nothing is near. Borrowed until the buffer changes. */
const char *nearest_text(const struct nearest *nearest, char *text, size_t size);

#endif

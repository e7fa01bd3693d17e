/* The comparison of two configurations (loosened.h), shared by its two files: loosened.c has what
 * holds for whom and when, loosened_who.c who that is. */
#ifndef RESOLVER_POLICY_LOOSENED_INSIDE_H
#define RESOLVER_POLICY_LOOSENED_INSIDE_H

#include "resolver/base/arena.h"
#include "resolver/policy/calendar.h"
#include "resolver/policy/loosened.h"

enum { HOURS_MOST = 400 };

struct side {
    const struct config *config;
    struct calendar *calendar;
};

struct comparison {
    struct side before, after;
    struct arena arena;
    int64_t hours[HOURS_MOST]; /* moments that stand for all that are like them */
    size_t hour_count;
    const char **told; /* each sentence once */
    size_t told_count;
    void (*each)(void *user, const char *sentence);
    void *user;
};

/* A sentence for whoever compares; the same one is said once. */
void loosened_tell(struct comparison *comparison, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void loosened_who(struct comparison *comparison);

#endif

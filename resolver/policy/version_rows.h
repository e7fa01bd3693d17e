/* The rules of the configuration and the grants as rows of a version (versions.h), and the order of
 * their keys. For versions.c only. */
#ifndef RESOLVER_POLICY_VERSION_ROWS_H
#define RESOLVER_POLICY_VERSION_ROWS_H

#include "resolver/base/arena.h"
#include "resolver/config/config.h"
#include "resolver/policy/calendar.h"
#include "resolver/policy/state.h"

enum { KEY_ROOM = 500, PREFIX_MOST = KEY_ROOM - 4 };

struct row {
    char *key; /* subnet NUL target NUL, key_len octets */
    size_t key_len;
    char *value;
};

struct rows {
    struct arena arena;
    struct row *items;
    size_t count;
    const struct config *config;
    const struct calendar *calendar;
    bool failed;
};

/* Fills `rows`, of which config and calendar are set, in the order of their keys. The caller frees
 * its arena, also where it fails. */
int version_rows_make(struct change *change, struct rows *rows, struct bl_error *error);

int version_key_compare(const char *a, size_t a_len, const char *b, size_t b_len);

#endif

/* What we know of published lists, kept as data beside this file and compiled in: catalogue/ut1.tsv
 * maps the categories of the UT1 lists to ours.
 *
 * Any thread; everything returned is static.
 */
#ifndef BLOCKLISTS_CATALOGUE_H
#define BLOCKLISTS_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "blocklists/entry.h"

enum { CATALOGUE_NAME_MAX = 64 };

/* Our category for the folder `name` of the UT1 lists: true, and its name and what its entries are
 * for. False when the folder keeps its own name. */
bool catalogue_ut1(const char *name, char out_category[CATALOGUE_NAME_MAX],
                   enum bl_action *out_action);

/* A published list. */
struct catalogue_source {
    char name[CATALOGUE_NAME_MAX];     /* "ut1-gambling" */
    char category[CATALOGUE_NAME_MAX]; /* ours, or "" where the list brings its categories along */
    char format[CATALOGUE_NAME_MAX];
    char licence[CATALOGUE_NAME_MAX];
    char url[512];
    char title[256];
};

/* The next one after `*at` (NULL at the start); false at the end. */
bool catalogue_next(const char **at, struct catalogue_source *out_source);

/* The licence of the list at this address, or "". Static. */
const char *catalogue_licence(const char *url);

#endif

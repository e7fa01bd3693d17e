/* Importing lists: what `lists import` and `lists update` share.
 *
 *   import_open → import_source for each → import_finish → import_close
 *
 * Everything is compiled on top of the generation in force. Where a daemon runs, it is asked to
 * adopt the result; else the command does it itself, under the lock of the state folder. Nothing is
 * in force before import_finish() has said so, and what fails changes nothing.
 */
#ifndef TOOLS_IMPORT_H
#define TOOLS_IMPORT_H

#include <jansson.h>

#include "blocklists/compile.h"
#include "blocklists/diff.h"
#include "blocklists/protect.h"
#include "resolver/base/address.h"
#include "tools/verb.h"

struct import_options {
    bool preview;      /* tell what would change, and stop */
    bool allow_shrink; /* a category may lose more than the guard lets it */
    bool replace;      /* the categories read hold nothing but what is read now */
    bool refresh;      /* nothing but what the configuration subscribes to is read */
    const char *reason;
};

/* How one source is to be read. */
struct import_source {
    const char *location, *category, *format, *csv_column, *sha256;
    enum bl_tier tier;
    enum bl_action action;
    bool allow_tld, forced, insecure;
    bool subscribed;     /* the configuration names it */
    bool offline;        /* read the copy in `cache`, fetched before */
    const char *cache;   /* folder for copies of downloads, or NULL */
    const char *ca_file; /* certificates to trust for downloads, or NULL */
};

/* What became of one part of a source. */
struct import_part {
    char *location, *category;
    struct bl_read_report report;
    uint64_t refused; /* they would deny names that are protected */
    struct bl_sample refused_samples[BL_SAMPLES_MAX];
    unsigned refused_sample_count;
};

struct import_skipped {
    char *location, *reason;
};

/* Where servers of lists are looked up: the configuration's upstreams, as bl_fetch_all() wants
 * them. So a machine whose own resolver is chalkgated can fetch lists while that does not run. */
enum { IMPORT_BOOTSTRAP_MAX = 16 };

struct import_bootstrap {
    char text[IMPORT_BOOTSTRAP_MAX][ADDRESS_TEXT_MAX];
    const char *servers[IMPORT_BOOTSTRAP_MAX + 1]; /* NULL last */
};

/* The list of servers, or NULL where the configuration has none that answer a plain question. */
const char *const *import_bootstrap_find(const struct config *config,
                                         struct import_bootstrap *out_bootstrap);

struct import {
    struct command *command;
    struct import_options options;
    struct bl_store *base; /* the generation in force, or NULL */
    struct bl_store *staged;
    struct bl_compile *compile;
    struct bl_protect *protect;
    char actor[64];
    struct import_bootstrap bootstrap;
    struct import_part *parts;
    size_t part_count, part_room;
    struct import_skipped *skipped;
    size_t skipped_count, skipped_room;
    const struct import_source *source; /* being read */
    struct bl_diff_count *changes;      /* by category; after compiling */
    size_t change_count;
    struct import_samples *samples; /* of them, for a preview */
    uint64_t generation;            /* in force now, 0 where only previewed, or waiting */
    json_t *waiting;                /* the request that waits for a second manager, or NULL */
    bool refused;                   /* the guard over the lists objects */
    json_t *downloads;              /* for the report, or NULL; import_close() frees it */
    int fd;
};

enum exit_code import_open(struct command *command, const struct import_options *options,
                           struct import **out_import);

/* Reads a source, all its parts. 0, or a negative errno with a sentence; then nothing of it is in
 * the import, what the base has of it stays, and the import may go on or be given up. -EINVAL: the
 * command was wrong. */
int import_source(struct import *import, const struct import_source *source,
                  struct bl_error *error);

/* Compiles, so that `changes` are known; import_finish() does it where nobody has before. */
enum exit_code import_stage(struct import *import);

/* What the guard over the lists says of a category's change, or of all where `change` is NULL: 0 or
 * -EPERM with a sentence. */
int import_judge(const struct import *import, const struct bl_diff_count *change,
                 struct bl_error *error);

/* Compiles, shows, and has the result adopted, unless it is a preview. */
enum exit_code import_finish(struct import *import);
void import_close(struct import *import);

/* The report, in words or as JSON; import_finish() calls it. */
struct import_samples;
struct import_samples *import_samples_create(void);
int import_samples_note(void *user, const struct bl_change *change); /* for bl_diff_count() */
void import_samples_destroy(struct import_samples *samples);
void import_show(const struct import *import, const struct import_samples *samples);

/* Names that lists must not deny: of the configuration, and of this machine's clock and updates.
 * NULL when out of memory. */
struct bl_protect *import_protect(const struct config *config);

#endif

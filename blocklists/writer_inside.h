/* The inside of the writer, shared by its three files: writer.c (start and end), writer_merge.c
 * (the entries tree) and writer_values.c (what is made from it). Nobody else includes this.
 */
#ifndef BLOCKLISTS_WRITER_INSIDE_H
#define BLOCKLISTS_WRITER_INSIDE_H

#include <lmdb.h>

#include "blocklists/closing.h"
#include "blocklists/layout.h"
#include "blocklists/store_inside.h"
#include "blocklists/writer.h"

enum {
    BL_NODE_COST = 8 + 2 + 1, /* octets of LMDB's own around a key and a value, and rounding */
    BL_ENTRY_COST = 10,       /* an entry at its longest: flags, two varints and a condition */
    BL_PAGE = 4096,
};

struct packed {
    uint32_t line;
    uint16_t source;
    uint8_t flags;
    uint8_t condition;
};

struct work {
    struct bl_writer *writer;
    struct bl_error *error;
    int fd;
    char path[64];      /* the descriptor's */
    uint64_t allocated; /* octets of the file that have room on the disk */
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi main, entries;
    MDB_cursor *cursor;
    struct bl_closing closing;
    uint16_t *source_numbers;                       /* old to new */
    uint8_t base_conditions[BL_CONDITIONS_MAX + 1]; /* the same; 0: not met yet */
    const char *categories[BL_CATEGORY_MAX];        /* by number, sorted */
    unsigned category_count;
    /* The key being gathered. */
    uint8_t key[BL_KEY_MAX];
    size_t key_len;
    struct packed *packed;
    size_t packed_count, packed_room;
    uint32_t *says;
    uint8_t *value;
    unsigned labels_min, labels_max;
    uint64_t names, prefixes, entry_count;
    uint64_t done, total;
    struct bl_cursor base;
    struct bl_record next; /* of the new entries */
    int has_next, has_base;
};

/* What went wrong with LMDB, or memory, as the error of the work. */
int writer_lmdb_fault(struct work *work, int rc);
int writer_no_memory(struct work *work);

/* Makes sure that the next `more` octets of the file have room on the disk. */
int writer_allocate(struct work *work, uint64_t more);

/* Merges the sorted entries and the base's into the entries tree. */
int writer_merge(struct work *work);

/* Everything that is made from the entries tree or stands beside it. */
int writer_values(struct work *work);

#endif

/* The bytes inside a day's segment; segment-format.md says the same in words.
 *
 * One LMDB file a day, STATE/denials/YYYY-MM-DD.mdb, with these tables:
 *
 *   meta      "meta" → struct segment_meta
 *   words     id → groups and categories
 * dictionaries names     id → names (asked, matched, registrable) clients   id → addresses rules id
 * → struct segment_rule blocks    number → struct segment_block and up to 511 records of 32 octets
 *   rollups   number → struct segment_run and up to 818 roll-ups of 20 octets
 *   met       number → struct segment_met and up to 2044 pairs of 8 octets
 *   counted   struct segment_counted_key → struct segment_counted
 *   journals  file sequence → octets of that journal file whose records of this day are here
 */
#ifndef RESOLVER_DENIALS_SEGMENT_FORMAT_H
#define RESOLVER_DENIALS_SEGMENT_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SEGMENT_FORMAT = 1,
    SEGMENT_BYTE_ORDER = 0x01020304,
    SEGMENT_BLOCK_RECORDS = 511, /* with the head: four pages of LMDB, less their sixteen octets */
    SEGMENT_FOLDS = 14,
    SEGMENT_FOLD_MS = 1000,
    SEGMENT_COUNT_MAX =
        1 + (SEGMENT_BLOCK_RECORDS - 1) * SEGMENT_FOLDS, /* a record and its folds fill a block */
};

#define SEGMENT_NO_ID         UINT32_MAX
#define SEGMENT_FOLD_MARK     UINT32_MAX
#define SEGMENT_MATCH_ADDRESS 0x80000000u

enum {
    SEGMENT_RUN_ROLLUPS = 818,
    SEGMENT_MET_PAIRS = 2044
}; /* four pages of LMDB, as with blocks */

enum segment_dictionary {
    SEGMENT_WORDS,
    SEGMENT_NAMES,
    SEGMENT_CLIENTS,
    SEGMENT_RULES,
    SEGMENT_DICTIONARIES
};

struct segment_meta {
    uint32_t format;
    uint32_t byte_order;
    int64_t start_ms, end_ms;            /* of the local day */
    uint64_t denials;                    /* the sum of all records' counts */
    uint64_t observed;                   /* of them let through */
    uint64_t records;                    /* after folding */
    uint64_t counted;                    /* counted but not itemised, not among `denials` */
    uint32_t next[SEGMENT_DICTIONARIES]; /* ids to give next */
    uint32_t blocks;
    uint32_t runs;                        /* blocks of roll-ups */
    uint32_t rolled_block, rolled_record; /* roll-ups hold the records before this one */
    char day[16];
};

/* What a dictionary's value starts with; the bytes that make it unique follow. */
struct segment_value {
    uint32_t attribute; /* of a name: the id of its registrable domain, SEGMENT_NO_ID when it is one
                           itself */
};

enum segment_word_kind { SEGMENT_WORD_GROUP = 'g', SEGMENT_WORD_CATEGORY = 'c' };
/* A word's bytes: kind, severity, the name, NUL, the title, NUL. */

struct segment_client {
    uint8_t address[16];
    uint32_t scope;
};

struct segment_rule {
    uint64_t generation;
    uint32_t policy_version;
    uint16_t group;    /* a word's id */
    uint16_t category; /* a word's id, UINT16_MAX: none */
    uint8_t rule, via, transport, observed, answer;
    uint8_t reserved[3];
};

/* One denial, or several that were the same within a second. */
struct segment_record {
    uint32_t at_ms; /* since the day's start */
    uint32_t name;
    uint32_t client;
    uint32_t rule;
    uint32_t match; /* id of the name that matched; SEGMENT_MATCH_ADDRESS | id of the address;
                       SEGMENT_NO_ID */
    uint16_t qtype;
    uint16_t count;
    uint64_t case_number; /* of the first */
};

/* Follows a record whose count is above one: how far the others' case numbers lie from the first's.
 */
struct segment_fold {
    uint32_t mark;                  /* SEGMENT_FOLD_MARK */
    uint16_t deltas[SEGMENT_FOLDS]; /* 0: none */
};

struct segment_block {
    uint32_t count; /* of records, folds included */
    uint32_t first_ms, last_ms;
    uint32_t check;
};

/* One sum of an hour × group × category × registrable domain × client. The same may come again in
 * another run: readers add up. */
struct segment_rollup {
    uint32_t domain, client;
    uint32_t count;
    uint16_t group, category; /* words' ids */
    uint8_t hour;             /* since the day's start */
    uint8_t observed;
    uint16_t reserved;
};

/* A block of roll-ups. */
struct segment_run {
    uint32_t count;
    uint32_t check;
};

/* A client that was refused something of a category. */
struct segment_pair {
    uint32_t client;
    uint16_t category; /* a word's id */
    uint16_t reserved;
};

/* A block of pairs: with the blocks before it, those of all runs whose number is below `runs`. */
struct segment_met {
    uint32_t count;
    uint32_t runs;
    uint32_t check;
    uint32_t reserved;
};

/* Big-endian, so that LMDB's order is ours. */
struct segment_counted_key {
    uint8_t sequence[8];
    uint8_t slot[2];
    uint8_t hour;
    uint8_t reserved;
};

struct segment_counted {
    uint64_t count;
    uint16_t group, category; /* words' ids, UINT16_MAX: not known */
    uint32_t reserved;
};

static_assert(sizeof(struct segment_record) == 32, "segment-format.md");
static_assert(sizeof(struct segment_fold) == 32, "segment-format.md");
static_assert(sizeof(struct segment_block) == 16, "segment-format.md");
static_assert(sizeof(struct segment_rule) == 24, "segment-format.md");
static_assert(sizeof(struct segment_client) == 20, "segment-format.md");
static_assert(sizeof(struct segment_rollup) == 20, "segment-format.md");
static_assert(sizeof(struct segment_run) == 8, "segment-format.md");
static_assert(sizeof(struct segment_pair) == 8, "segment-format.md");
static_assert(sizeof(struct segment_met) == 16, "segment-format.md");
static_assert(sizeof(struct segment_counted_key) == 12, "segment-format.md");
static_assert(sizeof(struct segment_meta) == 104, "segment-format.md");

/* The check of a block: of its head but for the check, and of its records; likewise of a run of
 * roll-ups, and of a block of pairs. */
uint32_t segment_block_check(const struct segment_block *block);
uint32_t segment_run_check(const struct segment_run *run);
uint32_t segment_met_check(const struct segment_met *met);

#endif

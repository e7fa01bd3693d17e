/* The bytes of a store, as store-format.md specifies them: what compile.c writes and store.c reads.
 *
 * Numbers are little-endian wherever they are. Values in LMDB's leaves are aligned to two octets
 * only, so they are read with the functions below; the table's buckets are aligned to 64.
 */
#ifndef BLOCKLISTS_LAYOUT_H
#define BLOCKLISTS_LAYOUT_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum {
    BL_FORMAT_VERSION = 2, /* what is written */
    BL_FORMAT_OLDEST = 1,  /* read as well: an update of the program takes no lists away */
    BL_TRAILER_SIZE = 256, /* the last octets of the file, after LMDB's pages */
    BL_META_SIZE = 96,     /* the value "meta" */
    BL_FACT_SIZE = 12,     /* one fact in the value "facts" */
    BL_FACTS_HEAD = 8,
    BL_RULE_SIZE = 7,          /* one rule of a fact */
    BL_RULE_SIZE_1 = 6,        /* in format 1 */
    BL_VARIANT_SIZE = 6,       /* one row of "variants" */
    BL_CONDITION_FIXED = 2,    /* one condition in "conditions", its types not counted */
    BL_SOURCE_FIXED = 64,      /* one source in the value "sources", its strings not counted */
    BL_SOURCE_HAS_REASONS = 5, /* the octet of it that says whether a string of reasons is there */
    BL_CATEGORY_FIXED = 24,    /* the same in "categories" */
    BL_CATEGORY_FIXED_1 = 16,  /* in format 1 */
    BL_TABLE_PAD = 48, /* brings the buckets to a multiple of 64 behind LMDB's page header of 16 */
    BL_BUCKET_SIZE = 64,
    BL_BUCKET_SLOTS = 8,
    BL_BUCKETS_MIN = 64, /* enough that LMDB gives the table pages of its own */
    BL_RANGE4_SIZE = 8,
    BL_RANGE6_SIZE = 20,
    BL_SOURCES_MAX = 65535,
};

#define BL_TRAILER_MAGIC "CHALKGATE LISTS\n" /* 16 octets */

/* Octets of the trailer. */
enum {
    BL_TRAILER_VERSION = 16,    /* u32 */
    BL_TRAILER_PAGE = 20,       /* u32: LMDB's page size */
    BL_TRAILER_LMDB = 24,       /* u64: octets before the trailer */
    BL_TRAILER_BASE = 32,       /* u64: the generation that it was compiled on top of, or 0 */
    BL_TRAILER_GENERATION = 40, /* u64: 0 while staged */
    BL_TRAILER_NAMES = 48,      /* u64: distinct names */
    BL_TRAILER_MADE = 56,       /* i64: wall time, seconds */
    BL_TRAILER_SHA256 = 64,     /* 32 octets: of all before the trailer */
    BL_TRAILER_OWN = 224,       /* 32 octets: SHA-256 of the trailer's first 224 */
};

/* Octets of "meta". */
enum {
    BL_META_NAMES = 0,       /* u64 */
    BL_META_PREFIXES = 8,    /* u64 */
    BL_META_SEED = 16,       /* u64 */
    BL_META_BUCKETS = 24,    /* u32 */
    BL_META_LABELS_MIN = 28, /* u16: of listed names; look-ups try no others */
    BL_META_LABELS_MAX = 30, /* u16 */
    BL_META_RANGES4 = 32,    /* u32 */
    BL_META_RANGES6 = 36,    /* u32 */
    BL_META_FACTS = 40,      /* u32 */
    BL_META_RULES = 44,      /* u32 */
    BL_META_CATEGORIES = 48, /* u32 */
    BL_META_SOURCES = 52,    /* u32 */
    BL_META_ENTRIES = 56,    /* u64 */
    BL_META_CONDITIONS = 64, /* u32 */
    BL_META_VARIANTS = 68,   /* u32 */
};

/* Flags of a fact: whether the listed name's own entries say something of itself, and of those
 * below; whether it is another one for some types of question. */
enum { BL_FACT_OWN_SELF = 1, BL_FACT_OWN_BELOW = 2, BL_FACT_BY_TYPE = 4, BL_FACT_FLAGS = 7 };

/* First octet of an entry in a value of "entries". The last says that a condition follows; only the
 * writer sets it. */
enum {
    BL_ENTRY_SCOPE = 3,
    BL_ENTRY_ALLOW = 4,
    BL_ENTRY_IMPORTANT = 8,
    BL_ENTRY_FLAGS = 15,
    BL_ENTRY_CONDITION = 16,
};

static inline uint16_t bl_get16(const void *at)
{
    uint16_t number;

    memcpy(&number, at, sizeof number);
    return le16toh(number);
}

static inline uint32_t bl_get32(const void *at)
{
    uint32_t number;

    memcpy(&number, at, sizeof number);
    return le32toh(number);
}

static inline uint64_t bl_get64(const void *at)
{
    uint64_t number;

    memcpy(&number, at, sizeof number);
    return le64toh(number);
}

static inline void bl_put16(void *at, uint16_t number)
{
    number = htole16(number);
    memcpy(at, &number, sizeof number);
}

static inline void bl_put32(void *at, uint32_t number)
{
    number = htole32(number);
    memcpy(at, &number, sizeof number);
}

static inline void bl_put64(void *at, uint64_t number)
{
    number = htole64(number);
    memcpy(at, &number, sizeof number);
}

/* LEB128, at most five octets. Writes to `at`, returns octets; reads from `at` before `end`, 0 when
 * cut. */
static inline unsigned bl_put_varint(uint8_t *at, uint32_t number)
{
    unsigned len = 0;

    while (number >= 0x80) {
        at[len++] = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    at[len++] = (uint8_t)number;
    return len;
}

static inline unsigned bl_get_varint(const uint8_t *at, const uint8_t *end, uint32_t *out_number)
{
    uint32_t number = 0;

    for (unsigned i = 0; i < 5 && at + i < end; i++) {
        number |= (uint32_t)(at[i] & 0x7f) << (7 * i);
        if (!(at[i] & 0x80)) {
            *out_number = number;
            return i + 1;
        }
    }
    return 0;
}

#endif

/* The bytes of a journal file, and reading them; journal-format.md says the same in words.
 *
 * journal_scan() is pure: it takes bytes that anybody may have cut or altered and gives whole
 * records only, so that the writer, the recovery after a crash, the command and the fuzzer read
 * journals through one door.
 *
 * Threads: the structures in a mapped file are shared between the worker that appends (`end`,
 * `closed`, the counts) and the writer that reads; every shared field is accessed with the atomic
 * built-ins.
 */
#ifndef RESOLVER_DENIALS_JOURNAL_FORMAT_H
#define RESOLVER_DENIALS_JOURNAL_FORMAT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/name.h"
#include "resolver/denials/denial.h"
#include "resolver/denials/device.h"

enum {
    JOURNAL_FORMAT = 1,
    JOURNAL_BYTE_ORDER = 0x01020304,
    JOURNAL_COUNT_SLOTS = 2048,
    JOURNAL_COUNT_OTHERS = 0, /* the slot for what finds no slot of its own */
    JOURNAL_DATA_START = 4096 + JOURNAL_COUNT_SLOTS * 32,
    JOURNAL_FILE_SIZE = 8 << 20,
    JOURNAL_LEGEND_RESERVE = 256 << 10, /* at the end of a file: legends while no spare is there */
    JOURNAL_INDEX_BITS = 17,            /* records of a file: the low bits of a case number */
    JOURNAL_UNKNOWN = UINT16_MAX - 1,   /* a group or category of the slot for all others */
};

#define JOURNAL_MAGIC "CHALKJNL"

/* One (legend, group, category) that is counted but not itemised. */
struct journal_count {
    uint16_t legend;
    uint16_t group;
    uint16_t category;
    uint16_t used; /* 1 once the three above are there; stored last */
    uint64_t count;
    int64_t last_ms;
    uint64_t reserved;
};

/* The first page. `end` and the rest of its line belong to the worker, `drained` to the writer. */
struct journal_header {
    char magic[8];
    uint32_t format;
    uint32_t byte_order;
    uint64_t sequence;
    int64_t created_ms;
    uint64_t size;
    uint32_t worker;
    uint32_t count_slots;
    uint8_t reserved1[16];
    uint64_t end;     /* bytes of the file that hold whole records */
    uint64_t closed;  /* 1: the worker appends elsewhere from now on */
    uint64_t counted; /* denials counted but not itemised: the sum of the slots */
    uint64_t records; /* denial records in the file */
    uint8_t reserved2[32];
    uint64_t drained; /* bytes that have reached the segments: a hint for readers, see
                         segment-format.md */
    uint8_t reserved3[56];
};

enum journal_record_type { JOURNAL_LEGEND = 1, JOURNAL_DENIAL = 2 };
enum {
    JOURNAL_MATCH_SUFFIX = 1,
    JOURNAL_MATCH_NAME = 2,
    JOURNAL_MATCH_ADDRESS = 4,
    JOURNAL_MAC = 8,
    JOURNAL_ANSWER_SHIFT = 4, /* three bits: `answer` of the denial */
    JOURNAL_ANSWER_MASK = 7
};

struct journal_record_head {
    uint16_t words; /* length in units of eight octets, this head included */
    uint8_t type;
    uint8_t flags;
    uint32_t check;
};

struct journal_denial {
    struct journal_record_head head;
    int64_t wall_ms;
    uint8_t client[16];
    uint32_t scope;
    uint32_t index;
    uint16_t group, category, qtype, legend;
    uint8_t rule, via, transport, observed;
    uint32_t policy_version;
    uint64_t generation;
    uint8_t qname_len;
    uint8_t matched; /* offset in the name asked (suffix), or octets of the name that follows it */
    uint8_t names[]; /* the name asked; the name that matched; the address that matched; the
                         device's MAC address; zeroes */
};

struct journal_legend {
    struct journal_record_head head;
    uint16_t id; /* what denials quote in `legend`; never 0 */
    uint16_t group_count, category_count, reserved;
    uint32_t policy_version, reserved2;
    uint64_t generation;
    uint8_t words[]; /* groups, then categories; see legend.c */
};

enum { JOURNAL_DENIAL_FIXED = offsetof(struct journal_denial, names) };

static_assert(sizeof(struct journal_count) == 32, "journal-format.md");
static_assert(sizeof(struct journal_header) == 192, "journal-format.md");
static_assert(offsetof(struct journal_header, end) == 64, "journal-format.md");
static_assert(offsetof(struct journal_header, drained) == 128, "journal-format.md");
static_assert(sizeof(struct journal_record_head) == 8, "journal-format.md");
static_assert(JOURNAL_DENIAL_FIXED == 66, "journal-format.md");
static_assert(offsetof(struct journal_legend, words) == 32, "journal-format.md");
static_assert((JOURNAL_FILE_SIZE - JOURNAL_DATA_START) / 72 < 1 << JOURNAL_INDEX_BITS,
              "case numbers");

/* The check of a record of `words` units at `offset` of file `sequence`: everything but the check
 * itself. */
uint32_t journal_record_check(const void *record, size_t words, uint64_t sequence, uint64_t offset);

/* The case number of a record of a file, and of the n-th denial that a file only counted. */
uint64_t journal_case(uint64_t sequence, uint32_t index);
uint64_t journal_case_counted(uint64_t sequence, uint64_t counted);

/* True when the number is that of a denial that was counted but not itemised. */
bool journal_case_is_counted(uint64_t number);
uint64_t journal_case_sequence(uint64_t number);

/* A denial as read back. Pointers are borrowed from the scanned bytes. */
struct journal_item {
    uint64_t offset;
    uint64_t case_number;
    uint16_t legend;
    struct denial denial;
    struct denial_device device; /* what the writer knows beside: the scan leaves it empty */
    uint8_t qname_len;
    uint8_t matched_len;
};

struct journal_scan {
    const uint8_t *bytes; /* of the whole file, from offset 0 */
    uint64_t
        limit; /* octets to read up to: the end that was published, or the file's length if less */
    uint64_t sequence;
    uint64_t offset;  /* where to read next */
    uint64_t skipped; /* octets that were no whole record */
};

/* Checks a header of `file_len` octets of file and starts at the first record. 0 or -EBADMSG. */
int journal_scan_start(const uint8_t *bytes, uint64_t file_len, struct journal_scan *out_scan);

/* The next whole record. Steps over what is damaged to the next record that checks. JOURNAL_LEGEND
 * and *out_legend, JOURNAL_DENIAL and *out_item, or 0 at the end. */
int journal_scan_next(struct journal_scan *scan, struct journal_item *out_item,
                      const struct journal_legend **out_legend);

#endif

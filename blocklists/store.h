/* A generation: one immutable, compiled store of all lists, mapped and only ever read.
 *
 * One LMDB file `GENERATION.mdb`, opened MDB_RDONLY | MDB_NOLOCK | MDB_NOSUBDIR: nobody writes a
 * finished generation, so no lock file and no reader slots are needed. store-format.md has every
 * byte of it.
 *
 * Facts. The lists say of a name: "in category gambling by a national source", "allowed by the
 * school". The compiler closes that over the listed parents (most specific first), and interns
 * equal results, so a fact is one small number and a generation has hundreds of them. Fact 0 is "on
 * no list". Verdicts are not the store's business: resolver/policy turns fact numbers into verdicts
 * once per snapshot.
 *
 * Types. Entries may stand for some types of question only. What lists say of a name is then one
 * fact for each of these types: a look-up is told the type, and gives the fact that the name would
 * have if the entries for other types were not there.
 *
 * Opening maps the file and checks its structure (format version, sizes, counts): milliseconds at
 * any size. bl_store_verify() reads all of it and compares the checksum; adoption does that before,
 * not at each start.
 *
 * Threads: a store is immutable once open; any number of threads may read it. Pointers into it are
 * borrowed until bl_store_close(). Generations are only ever replaced by rename and removed by
 * unlink, never written in place. Where somebody cuts the file in force all the same, a program
 * that called bl_store_guard() lives on: look-ups find nothing on the pages that are gone, and
 * bl_store_is_damaged() says afterwards that this means nothing.
 */
#ifndef BLOCKLISTS_STORE_H
#define BLOCKLISTS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/entry.h"
#include "blocklists/error.h"

typedef uint16_t bl_fact;
enum {
    BL_FACT_NONE = 0,
    BL_CATEGORY_MAX = 1024,
    BL_ALL_TYPES = 0x10000, /* in place of a type: what lists say for any type at all */
};

struct bl_store;

/* Returns 0, -ENOENT (no such file), -EPROTO (a store of another version, said so), -EBADMSG
 * (damaged) or another negative errno. */
int bl_store_open(const char *path, struct bl_store **out_store, struct bl_error *error);
void bl_store_close(struct bl_store *store);

/* The same store once more; each is closed. */
struct bl_store *bl_store_share(struct bl_store *store);

/* Reads the whole file and compares its checksum: 0, -EBADMSG, or why it cannot be read. It may be
 * cut meanwhile. */
int bl_store_compare(const struct bl_store *store, struct bl_error *error);

/* That, and whether what it holds agrees with itself, for a file that has just come: 0 or a
 * negative errno. */
int bl_store_verify(const struct bl_store *store, struct bl_error *error);

/* Whether what look-ups go by, and how much it says that its categories have, follows from its
 * entries, after bl_store_verify(): 0, -EBADMSG, -EPROTO for a store of an older format, or
 * -ENOMEM. For stores that somebody else has made: what they lose is judged by their entries. */
int bl_store_facts_verify(const struct bl_store *store, struct bl_error *error);

/* Takes over SIGBUS for the pages of stores, once in a program; other addresses go to the handler
 * before. The eventfd `wake_fd` (−1: none) is written to when a page was missing. Files of another
 * page size than the machine's are not guarded. */
int bl_store_guard(int wake_fd, struct bl_error *error);

/* Asked after look-ups, whose answers count only when it is false. Once true it stays so. */
bool bl_store_is_damaged(const struct bl_store *store);

/* Whether the file is as it was opened: one look at its length and times, and a whole
 * bl_store_compare() the first time and when they have changed since the last. One thread at a
 * time.
 */
enum bl_look {
    BL_LOOK_SAME,
    BL_LOOK_TOUCHED, /* it is whole, but may not have been in between: look-ups of the time since
                        the last look count for nothing, and it should be opened anew */
    BL_LOOK_DAMAGED, /* and is from now on */
};

enum bl_look bl_store_look(struct bl_store *store);

/* Whether a store that was just opened is what `before` is: of one file, which nobody has touched
 * between the two openings. Then look-ups in `before` hold in it, too. */
bool bl_store_is_as_before(const struct bl_store *store, const struct bl_store *before);

/* Whether both were made of the same octets, by what they say themselves; bl_store_compare() says
 * whether it is true. */
bool bl_store_says_the_same(const struct bl_store *store, const struct bl_store *before);

uint64_t bl_store_generation(const struct bl_store *store);
uint64_t bl_store_name_count(const struct bl_store *store);

/* The look-up of the query path. */
struct bl_found {
    bl_fact fact;    /* BL_FACT_NONE: neither the name nor a parent is listed */
    uint8_t matched; /* offset in the wire name where the most specific listed name begins */
};

/* `wire` is a whole name of `len` octets, already lower-cased, `type` that of the question, or
 * BL_ALL_TYPES. No allocation, no lock, no system call; touches one cache line a suffix, all
 * prefetched before the first is read. */
struct bl_found bl_store_find(const struct bl_store *store, const uint8_t *wire, size_t len,
                              unsigned type);

/* The fact of names below one that are on no list themselves, for any type. */
bl_fact bl_store_find_below(const struct bl_store *store, const struct bl_name *name);

/* The same in two steps, for a batch of names: bl_store_search() of each has the memory fetched
 * that bl_store_found() then reads. The store and the name stay the same in between. */
enum { BL_SEARCH_LABELS = 8 };

struct bl_search {
    uint64_t hashes[BL_SEARCH_LABELS]; /* of the last label, the last two, … */
    uint8_t labels; /* of the name; UINT8_MAX: too many to be kept, the second step does it all */
    uint8_t most;   /* of the longest suffix that could be listed */
};

void bl_store_search(const struct bl_store *store, const uint8_t *wire, size_t len,
                     struct bl_search *out_search);
struct bl_found bl_store_found(const struct bl_store *store, const uint8_t *wire, size_t len,
                               unsigned type, const struct bl_search *search);

/* The fact of an IPv4 (4 octets) or IPv6 (16) address: that of its longest listed prefix.
 * IPv4-mapped and -compatible, NAT64 (64:ff9b::/96, 64:ff9b:1::/48) and 6to4 forms count as the
 * IPv4 address inside. `out_prefix` may be NULL. */
bl_fact bl_store_find_address(const struct bl_store *store, const uint8_t *address, size_t len,
                              struct bl_prefix *out_prefix);
bool bl_store_has_addresses(const struct bl_store *store);

/* Facts, taken apart: what policy turns into verdicts, and what `why` prints. */
struct bl_fact_rule {
    uint16_t category; /* index, see bl_store_category() */
    uint8_t
        depth; /* 0 for the most specific listed name that has rules, 1 for the next one up, … */
    uint8_t tier;   /* enum bl_tier */
    uint8_t action; /* enum bl_action */
    uint8_t important;
    uint8_t condition; /* bl_store_condition(): what BL_ALL_TYPES found; else 0, for it holds */
};

unsigned bl_store_fact_count(const struct bl_store *store); /* numbers run from 0 to count − 1 */

/* The rules of a fact, by depth (most specific first). Borrowed until the store is closed. */
const struct bl_fact_rule *bl_store_fact(const struct bl_store *store, bl_fact fact,
                                         size_t *out_count);

/* Whether any entry stands for some types of question only. */
bool bl_store_has_conditions(const struct bl_store *store);

/* Whether what lists say of a name with this fact differs by the type of question. */
bool bl_store_fact_by_type(const struct bl_store *store, bl_fact fact);

/* The types that a rule stands for; NULL for condition 0: all. */
const struct bl_types *bl_store_condition(const struct bl_store *store, unsigned condition);

/* Categories of this generation; numbers are the store's own and differ between generations. */
unsigned bl_store_category_count(const struct bl_store *store);

struct bl_category {
    const char *name;   /* "gambling" */
    uint64_t names;     /* distinct names (block entries) */
    uint64_t addresses; /* distinct prefixes */
    /* How many of both it blocks whole: for every type of question, and a name with all below it.
     */
    uint64_t whole; /* BL_WHOLE_UNKNOWN in stores of format 1 */
};

#define BL_WHOLE_UNKNOWN UINT64_MAX

const struct bl_category *bl_store_category(const struct bl_store *store, unsigned index);
int bl_store_category_find(const struct bl_store *store, const char *name); /* index or -ENOENT */

/* Sources: where the entries came from. */
struct bl_source {
    const char *location; /* path or URL as the technician gave it; for a folder, the file in it */
    const char *format;   /* "domains", "hosts", … */
    const char *licence;  /* as found in the source or the catalogue, or "" */
    const char *actor;    /* operating-system user who imported it */
    const char *reason;   /* or "" */
    char sha256[65];      /* of the bytes read, hexadecimal */
    int64_t imported;     /* wall time, seconds */
    uint16_t category;    /* index */
    uint8_t tier, action; /* of entries that do not say otherwise */
    bool subscribed;      /* read by `lists update`, because the configuration names it */
    uint64_t read, taken, duplicate, malformed, unused;
    /* Of the malformed and the not used, how many for which reason: for bl_reasons_next(). "" in
     * stores from before these were kept. */
    const char *reasons;
};

unsigned bl_store_source_count(const struct bl_store *store);
const struct bl_source *bl_store_source(const struct bl_store *store, unsigned index);

/* Every entry behind one listed name, for `why`: calls `each` with the source's index until it
 * returns non-zero, and returns that; 0 when all were seen, -ENOENT when the name itself is not
 * listed. */
int bl_store_entries(const struct bl_store *store, const uint8_t *wire,
                     int (*each)(void *user, unsigned source, const struct bl_entry *entry),
                     void *user);

/* The same for a listed address prefix. */
int bl_store_prefix_entries(const struct bl_store *store, const struct bl_prefix *prefix,
                            int (*each)(void *user, unsigned source, const struct bl_entry *entry),
                            void *user);

/* The facts of all listed names from one down, and of what is below them, until `each` returns
 * non-zero. 0, or a negative errno when they cannot be read. */
int bl_store_below(const struct bl_store *store, const uint8_t *wire,
                   int (*each)(void *user, bl_fact fact), void *user, struct bl_error *error);

/* The same as bl_store_entries() for all prefixes, then all names in order of their reversed labels
 * (com, com.a, com.a.x, …): listing, export, diff. */
int bl_store_walk(const struct bl_store *store,
                  int (*each)(void *user, unsigned source, const struct bl_entry *entry),
                  void *user, struct bl_error *error);

/* The same for the names below one, itself not among them. */
int bl_store_walk_below(const struct bl_store *store, const uint8_t *wire,
                        int (*each)(void *user, unsigned source, const struct bl_entry *entry),
                        void *user, struct bl_error *error);

#endif

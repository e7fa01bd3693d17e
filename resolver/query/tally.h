/* What a worker did beside denying, by group: search engines made safe, by name; answers with
 * addresses of the inside held back; keys for encrypted hellos taken out; canary names answered.
 *
 * Each worker writes its own, with plain stores as counters.h has them; a place is made when
 * something is first met and stays for the life of the process, so that another world's numbers for
 * groups change nothing. Readers may look at any time.
 */
#ifndef RESOLVER_QUERY_TALLY_H
#define RESOLVER_QUERY_TALLY_H

#include <stdint.h>

enum { TALLIES_MAX = 256, TALLY_WORD_MAX = 64 };

/* What is no engine has a word that no engine can have. */
#define TALLY_REBINDING "inside address"
#define TALLY_HELLO     "encrypted hello"
#define TALLY_CANARY    "canary"

struct tally {
    uint64_t count;
    char group[TALLY_WORD_MAX], what[TALLY_WORD_MAX];
};

struct tallies {
    uint32_t count; /* of places in use: readers go no further */
    uint64_t other; /* for what there was no place left */
    struct tally places[TALLIES_MAX];
} __attribute__((aligned(128)));

/* A word as places keep it: cut, where it is long, between two characters of UTF-8. */
void tally_shorten(char to[TALLY_WORD_MAX], const char *from);

/* One more; `tallies` may be NULL. No allocation, no lock; a few comparisons of words. */
void tally_add(struct tallies *tallies, const char *group, const char *what);

/* How many so far: 0 where there is no such place. */
uint64_t tally_get(const struct tallies *tallies, const char *group, const char *what);

/* Adds one worker's to a sum of all, likewise made of places. */
void tallies_sum(struct tallies *sum, const struct tallies *worker);

#endif

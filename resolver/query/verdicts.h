/* What a worker's answers were, for figures: denied, observed and allowed by group and category,
 * and how long they took.
 *
 * A place is made when a group and a category are first met and stays for the life of the process,
 * so that numbers only grow whatever the configuration becomes; there are VERDICTS_MAX, and what
 * comes beyond them counts as `other`. The pipeline keeps which place is whose for the world in
 * force, so that a question costs a few loads and a store.
 *
 * How long: questions that are answered in the turn in which they came take, all of them, the time
 * from the turn's beginning to its end, when all are sent: none took longer. Those that waited for
 * an upstream take the milliseconds of the pipeline's clock, rounded up.
 *
 * Threads: each worker writes its own with plain stores, as counters.h has them; readers may look
 * at any time.
 */
#ifndef RESOLVER_QUERY_VERDICTS_H
#define RESOLVER_QUERY_VERDICTS_H

#include <stdint.h>

#include "resolver/query/tally.h"

enum { VERDICTS_MAX = 512, LATENCY_BOUNDS = 16 };

enum verdict_kind { VERDICT_COUNT_DENIED, VERDICT_COUNT_OBSERVED, VERDICT_COUNT_ALLOWED };
enum { VERDICT_KINDS = 3 };

enum latency_from { LATENCY_CACHE, LATENCY_OWN, LATENCY_UPSTREAM };
enum { LATENCY_FROMS = 3 };

struct verdict_counts {
    uint64_t counts[VERDICT_KINDS]; /* allowed ones without a category; observed ones among them */
    char group[TALLY_WORD_MAX], category[TALLY_WORD_MAX];
};

struct latency {
    uint64_t buckets[LATENCY_BOUNDS + 1]; /* up to each bound, and beyond the last; not summed */
    uint64_t sum_us;
};

struct verdicts {
    uint32_t count; /* of places in use: readers go no further */
    uint64_t other[VERDICT_KINDS];
    struct latency latencies[LATENCY_FROMS];
    struct verdict_counts places[VERDICTS_MAX];
} __attribute__((aligned(128)));

struct pipeline;

extern const uint32_t LATENCY_BOUNDS_US[LATENCY_BOUNDS];

/* Between two batches: another configuration's groups and categories. Without memory all counts as
 * `other` until the next: no answer fails for it. */
void verdicts_enter(struct pipeline *pipeline);
void verdicts_leave(struct pipeline *pipeline);

/* One more; `category` may be POLICY_NO_CATEGORY. Nothing when the pipeline counts none. */
void verdict_note(struct pipeline *pipeline, uint16_t group, uint16_t category,
                  enum verdict_kind kind);

/* `count` answers took so long. `verdicts` may be NULL. */
void latency_note(struct verdicts *verdicts, enum latency_from from, int64_t took_us,
                  uint64_t count);

/* Adds one worker's to a sum of all. */
void verdicts_sum(struct verdicts *sum, const struct verdicts *worker);

#endif

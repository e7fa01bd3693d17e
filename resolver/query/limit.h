/* Limits by where questions come from.
 *
 * Answers over UDP to one network (/24 or /56) may go out at so many a second, a second's worth at
 * once. Beyond that every other one is dropped and the rest say "truncated": a device that is
 * really there asks again over TCP, one whose address somebody forged is left in peace.
 *
 * The state is a table of fixed size with a time in each place (the generic cell rate algorithm);
 * networks share places by a keyed hash. Nothing is looked up, recorded or locked for what is
 * limited. Limits are per worker.
 */
#ifndef RESOLVER_QUERY_LIMIT_H
#define RESOLVER_QUERY_LIMIT_H

#include "resolver/query/query.h"

/* Whether a query that waited is dropped rather than answered: it is old, its client has many
 * others waiting, and all would be answered at once. DNSBomb (CVE-2024-33655) gathers answers like
 * that and lets them go at somebody else. */
bool limit_hoards(struct pipeline *pipeline, const struct query *query);

/* Counts an answer to the query's network; whether that is one too many. */
bool limit_exceeded(struct pipeline *pipeline, const struct query *query);

/* What such a query gets. */
enum query_next limit_answer(struct pipeline *pipeline, struct query *query);

#endif

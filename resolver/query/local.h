/* Stage local: names that are answered here and never forwarded.
 *
 * The school's own records with the PTR records that follow from them; the special-use names of RFC
 * 6761, 6762, 7686, 8375, 8880 and 9462; the private reverse zones of RFC 6303; and the canary
 * names by which browsers and phones ask whether they may go round the network's resolver (they may
 * not).
 *
 * Built once with a world and then read-only: any thread.
 */
#ifndef RESOLVER_QUERY_LOCAL_H
#define RESOLVER_QUERY_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/config/config.h"

struct local_names;
struct pipeline;
struct query;

int local_create(const struct config *config, struct local_names **out_names); /* 0 or -ENOMEM */
void local_free(struct local_names *names);

/* Whether this very name (lower-cased wire form) is a record of the school's, or its PTR: what
 * upstreams say of it counts for nothing. */
bool local_has_record(const struct local_names *names, const uint8_t *name, size_t len);

/* In words, for `why`: what is answered here for the name (lower-cased wire form), where it is one
 * of these. `has_zone`: a forward-zone covers it. */
bool local_describe(const struct local_names *names, const uint8_t *name, size_t len, bool has_zone,
                    char *text, size_t size);

/* Composes the answer and returns true when the name is one of these. */
bool local_answer(struct pipeline *pipeline, struct query *query);

#endif

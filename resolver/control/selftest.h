/* The self-test: does the filter do what the policy says, group by group, at this moment?
 *
 * Every question goes through the query path itself (a pipeline of its own over the world in force,
 * so that nothing is recorded as a pupil's and no worker waits), with an address of the group as
 * its client: a listed name of each category, in mixed case and one label below; canary names; a
 * search engine where search is to be safe. What comes out is compared with what policy_explain()
 * works out from the configuration and the lists' entries by another way, and, for sealed
 * categories, with "denied".
 *
 * What cannot be asked is told, with the reason and what to do: a category that no list names
 * anything in, a group without a subnet. It is no failure, as a school may well configure what it
 * has no list for yet; but it is one for a sealed category, and for one of severity urgent that
 * some group is denied or observed in: nobody should believe that those are filtered.
 *
 * Any thread but a worker's: it walks the lists once, which takes a second or two at five million
 * names.
 */
#ifndef RESOLVER_CONTROL_SELFTEST_H
#define RESOLVER_CONTROL_SELFTEST_H

#include <jansson.h>

#include "blocklists/error.h"
#include "resolver/base/clock.h"
#include "resolver/query/world.h"

/* Adds {"checks": [{"group", "check", "subject", "expected", "found", "tested", "passed",
 * "note"}…], "passed": N, "failed": N, "untested": N} to `reply`; a row of the untested is among
 * the failed as well where it counts as one, never among the passed. "group" is "" where it is the
 * same for all. 0, or -ENOMEM. A failed check is a result, not an error. */
int selftest_run(struct world *world, struct moment moment, json_t *reply, struct bl_error *error);

/* Then, over the network, asks each address that is listened on, and an upstream through it, and
 * adds the lists' age and what else status_describe() warns of. It waits some seconds for what does
 * not answer. */
#define SELFTEST_LIST_AGES "list ages" /* the check that has an alert of its own, from upkeep.c */
struct config;
struct daemon;
int selftest_outside(struct daemon *daemon, const struct config *config, json_t *reply,
                     struct bl_error *error);

#endif

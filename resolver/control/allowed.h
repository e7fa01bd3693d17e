/* What the daemon keeps of allowed questions, as `recording` of the configuration says: the tables
 * in which workers count, their sums by day, and the journals of single questions with a writer of
 * their own over STATE/allowed, which has the same form as the state folder has for denials.
 *
 * Counts are taken from the workers once a minute and written every ALLOWED_WRITE_MS, at midnight
 * and at the end: a kill -9 loses the counts of at most that time. Single questions are as safe as
 * denials.
 *
 * Threads: allowed_settle() with daemon->change held or before threads start; allowed_tend() and
 * allowed_retain() by the upkeep thread; create and end by the main thread.
 */
#ifndef RESOLVER_CONTROL_ALLOWED_H
#define RESOLVER_CONTROL_ALLOWED_H

#include "resolver/config/config.h"
#include "resolver/denials/asked_sums.h"
#include "resolver/denials/retention.h"
#include "resolver/net/server.h"

enum { ALLOWED_TAKE_MS = 60 * 1000, ALLOWED_WRITE_MS = 5 * 60 * 1000 };

struct allowed;

int allowed_create(const char *state, unsigned workers, struct allowed **out_allowed,
                   struct bl_error *error);

/* For server_create(). */
void allowed_records(const struct allowed *allowed, struct server_records *records);

/* Before a configuration is in force: what it wants recorded can be from then on. 0, or a negative
 * errno where the journals of questions cannot be made. */
int allowed_settle(struct allowed *allowed, const struct config *config, struct bl_error *error);

/* Every few seconds: takes and writes counts when it is time. */
void allowed_tend(struct allowed *allowed, struct server *server, const struct config *config);

/* Destroys what is kept no longer. 0 or the first failure; receipts tell what went all the same. */
int allowed_retain(struct allowed *allowed, const struct config *config,
                   const struct retention *hold, int64_t wall_ms,
                   struct retention_receipt *out_counts, struct retention_receipt *out_questions,
                   struct bl_error *error);

/* After server_destroy(): writes what is left, closes and frees; NULL is fine. `config`: in force
 * at the end. */
void allowed_end(struct allowed *allowed, const struct config *config);

#endif

/* STATE/state.mdb: what the school decided since the configuration was written, and the record of
 * every change. Written by the daemon only, or by the command while it holds the state folder's
 * lock.
 *
 *   meta      "format", "head" (the change log's last number and hash), "id", "version",
 *             "generation" (of the lists, noted last), "sealed:NAME" (seals.h), "config" (SHA-256
 *             of the configuration in force), "moment", "configs" (octets of all; moments.h)
 *   grants    id (4 octets, big endian) → grant as JSON: active, to come or waiting for approval
 *   past      the same, of grants that ended or were revoked
 *   changes   number (8 octets, big endian, from 1) → SHA-256 (32 octets) and the entry as JSON
 *   versions  version (4 octets, big endian) → when, who and why, as JSON
 *   incidents id (4 octets, big endian) → incident as JSON (incidents.h)
 *   faults    id (4 octets, big endian) → fault as JSON (incidents.h)
 *   policy    subnet NUL target NUL version (4 octets, big endian) → rules as text (versions.h)
 *   moments   number (4 octets, big endian) → what was in force from when on, as JSON (moments.h)
 *   configs   SHA-256 in hexadecimal → a configuration that is or was in force, as YAML
 *
 * A change is one transaction: the grant, the policy version that comes of it and the entry of the
 * change log are there together or not at all. Happy path: change_begin(), the acts,
 * policy_rules_read() and a world made of them, change_commit(), and only then the world is
 * announced. A crash in between leaves what was.
 *
 * Failure modes: a full disk is -ENOSPC at change_commit() and nothing has changed; a damaged file
 * is -EBADMSG at state_open(), and the daemon goes on with the configuration's rules alone,
 * refusing changes. The file grows by doubling its map as needed.
 *
 * Threads: any; one change or reading at a time, the others wait. Not for workers.
 */
#ifndef RESOLVER_POLICY_STATE_H
#define RESOLVER_POLICY_STATE_H

#include <jansson.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/policy/rules.h"

struct state;
struct change;

enum { STATE_FORMAT = 1, ACTOR_NAME_MAX = 64 };

struct actor { /* who changes something, as the kernel told it */
    char user[ACTOR_NAME_MAX], login[ACTOR_NAME_MAX]; /* `login`: who signed on, also behind sudo */
    unsigned uid, login_uid;
    const char *role; /* "manager", "viewer", "none", "system" */
};

/* For reading, the file must be there (-ENOENT) and nobody may be writing it. */
int state_open(const char *folder, bool writable, struct state **out_state, struct bl_error *error);
void state_close(struct state *state); /* NULL is fine */

/* One change; until it is committed or aborted, others wait. With `actor` NULL: reading only. */
int change_begin(struct state *state, const struct actor *actor, int64_t now_ms,
                 struct change **out_change, struct bl_error *error);
int change_commit(struct change *change, struct bl_error *error); /* ends it in any case */
void change_abort(struct change *change);                         /* NULL is fine */

const struct actor *change_actor(const struct change *change);
int64_t change_now_ms(const struct change *change);
const char *change_folder(const struct change *change); /* STATE; borrowed */

/* The change log. `before`, `after` and `reason` may be NULL; JSON is borrowed. */
int change_log(struct change *change, const char *action, const char *target, const json_t *before,
               const json_t *after, const char *reason, struct bl_error *error);

/* Entries from number `from` on, as an array; each with "hash". At most `max`. */
int changes_read(struct change *change, uint64_t from, size_t max, json_t **out_entries,
                 struct bl_error *error);
uint64_t changes_count(struct change *change);

/* Walks the whole chain. 0, or -EBADMSG with the first broken entry named, in *out_broken too.
 * *out_head is the last entry's hash in hexadecimal, for printing on paper. */
int changes_verify(struct change *change, uint64_t *out_count, uint64_t *out_broken,
                   char out_head[65], struct bl_error *error);

/* For state_*.c, versions.c and acts.c. */
enum state_table {
    TABLE_META,
    TABLE_GRANTS,
    TABLE_PAST,
    TABLE_CHANGES,
    TABLE_VERSIONS,
    TABLE_POLICY,
    TABLE_INCIDENTS,
    TABLE_FAULTS,
    TABLE_MOMENTS, /* this and those below are not in files of older programs */
    TABLE_CONFIGS,
    TABLE_COUNT
};

int change_get(struct change *change, enum state_table table, const void *key, size_t key_len,
               MDB_val *out_value); /* 0 or -ENOENT; borrowed until the next writing */
int change_put(struct change *change, enum state_table table, const void *key, size_t key_len,
               const void *value, size_t len, struct bl_error *error);
int change_delete(struct change *change, enum state_table table, const void *key, size_t key_len,
                  struct bl_error *error);
int change_cursor(struct change *change, enum state_table table, MDB_cursor **out_cursor,
                  struct bl_error *error); /* -ENOENT: the file does not have this table yet */

/* All records of a table, oldest first; one that cannot be read is left out. The value is borrowed.
 * As change_cursor(). */
int change_each(struct change *change, enum state_table table,
                void (*each)(void *user, json_t *value), void *user, struct bl_error *error);

/* A counter of `meta`: 0 where it was never set. */
uint32_t change_number(struct change *change, const char *name);
int change_number_set(struct change *change, const char *name, uint32_t value,
                      struct bl_error *error);

static inline void put_be32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static inline uint32_t get_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

#endif

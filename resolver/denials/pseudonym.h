/* Pseudonyms for devices: what stands in records in place of their addresses (`recording`).
 *
 * A pseudonym is the first 40 bits of HMAC-SHA-256 over the address, under a key of 32 random
 * octets. It has the form of an address below 0100::/64, the discard prefix of RFC 6666, from which
 * nobody can ask, so records, filters and reports treat it as any client; as text it is
 * "device-7Q3K-M2F9" (address.h).
 *
 * The keys folder is readable for the daemon's user only and may lie on another disk. It holds
 *
 *   NUMBER.key             "CHALKKEY", since when (seconds since 1970, 64 bits), 32 octets
 *   retired                "CHALKEND", since when no key is in use (64 bits), where pseudonyms were
 *                          turned off
 *   NUMBER-WORKER.devices  places of 32 octets: address 16, scope 32 bits, used 8, 0 24, pseudonym
 *                          64 bits
 *
 * A file of devices is mapped by its worker: it is where a pseudonym is found without working it
 * out again, and where an address can be found back, so it survives a kill. After `period` a new
 * key takes over. Once no record is left of the time before, the old key and its devices are
 * destroyed, and nothing can tell any more whose pseudonyms those were, should a copy have stayed.
 *
 * Turning pseudonyms off destroys nothing at once: records under retention, or held for an
 * incident, may still have to be revealed. The key in use is retired: it goes as any other does,
 * with the last record of the time before. Turned on again meanwhile, it is in use again.
 *
 * Limits: PSEUDONYM_DEVICES addresses for each worker and key; further ones have a pseudonym that
 * cannot be revealed.
 *
 * Threads: pseudonym_of() by the owning worker; it makes no system call and allocates nothing for
 * an address that it has met.
 */
#ifndef RESOLVER_DENIALS_PSEUDONYM_H
#define RESOLVER_DENIALS_PSEUDONYM_H

#include <stdbool.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/base/address.h"

enum { PSEUDONYM_DEVICES = 16384, PSEUDONYM_KEY = 32 };

struct pseudonyms; /* a worker's devices under one key */

/* Makes the folder and a key where there is none, or the newest is older than `period_s`; none is
 * retired any more. 0 and the number of the key to be used now, or a negative errno. */
int pseudonym_keys_settle(const char *folder, int64_t period_s, int64_t now_s, uint32_t *out_number,
                          struct bl_error *error);

/* From `at_s` on no record is made under any key: noted once, where there is a key. 0 and whether
 * it was noted now, or a negative errno. */
int pseudonym_keys_retire(const char *folder, int64_t at_s, bool *out_noted,
                          struct bl_error *error);

int pseudonyms_open(const char *folder, uint32_t number, unsigned worker,
                    struct pseudonyms **out_pseudonyms, struct bl_error *error);
void pseudonyms_close(struct pseudonyms *pseudonyms); /* NULL is fine */

struct address pseudonym_of(struct pseudonyms *pseudonyms, const struct address *client);

/* The address behind a pseudonym, under any key that is left. 0, -ENOENT or another errno. */
int pseudonym_reveal(const char *folder, const struct address *pseudonym,
                     struct address *out_client, struct bl_error *error);

/* The pseudonyms of an address, one for each key that is left. 0 or a negative errno. */
int pseudonym_each(const char *folder, const struct address *client,
                   void (*each)(void *user, const struct address *pseudonym), void *user,
                   struct bl_error *error);

/* Destroys the keys, with their devices, that gave way to a newer one, or were retired, at
 * `before_s` or earlier. 0 and how many, or a negative errno. */
int pseudonym_keys_destroy(const char *folder, int64_t before_s, unsigned *out_count,
                           struct bl_error *error);

#endif

/* The daemon's keys for pseudonyms (denials/pseudonym.h): makes them, hands workers their devices
 * under the key in force, and destroys keys that no record needs any more.
 *
 * Threads: keyring_settle() with daemon->change held, or before threads start; it may wait for the
 * workers. keyring_destroy_old() the same.
 */
#ifndef RESOLVER_CONTROL_KEYRING_H
#define RESOLVER_CONTROL_KEYRING_H

#include <stdint.h>

#include "resolver/config/config.h"
#include "resolver/net/server.h"

struct keyring;

int keyring_create(const char *state, unsigned workers, struct keyring **out_keyring,
                   struct bl_error *error);
void keyring_free(struct keyring *keyring); /* after server_destroy(); NULL is fine */

/* What the configuration wants: from the return on, no worker records an address any more, or each
 * does again, and the keys that are left are retired; or a new key is in use. `server` NULL: before
 * it is made. 0, or a negative errno and everything is as before. */
int keyring_settle(struct keyring *keyring, struct server *server, const struct config *config,
                   int64_t now_s, struct bl_error *error);

/* For server_create(). */
struct pseudonyms *const *keyring_pseudonyms(const struct keyring *keyring);

/* The folder of keys by this configuration. */
void keyring_folder(const char *state, const struct config *config, char *folder, size_t size);

/* Destroys keys that gave way, or were retired, before the oldest record that is left; how many. */
unsigned keyring_destroy_old(struct keyring *keyring, const struct config *config, int64_t now_s);

#endif

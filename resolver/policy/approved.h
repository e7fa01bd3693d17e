/* What a second manager agreed to, for the starts to come.
 *
 * Where `roles.requires-approval` is set, STATE/approved.yaml (0600) holds the configuration that
 * was last in force, as config_print() writes it: a daemon that is started holds config.yaml
 * against it, so that a restart is no way round the second manager. It stands beside state.mdb, so
 * that neither a damaged one nor a restored older one loses it. Where approval is not asked for
 * there is no such file.
 *
 * Threads: any. Only the daemon writes the file. Written whole or not at all.
 */
#ifndef RESOLVER_POLICY_APPROVED_H
#define RESOLVER_POLICY_APPROVED_H

#include "blocklists/error.h"
#include "resolver/config/config.h"

/* What is kept, read as if it stood at `path`; NULL where nothing is. 0 and *out_config
 * (config_free() it), -EBADMSG with a sentence for a file that is damaged or that this version does
 * not understand, or another negative errno with a sentence. */
int approved_read(const char *folder, const char *path, struct config **out_config,
                  struct bl_error *error);

/* Keeps this one; without `requires-approval` nothing is kept any more. 0, or a negative errno with
 * a sentence and what was kept before. */
int approved_write(const char *folder, const struct config *config, struct bl_error *error);

#endif

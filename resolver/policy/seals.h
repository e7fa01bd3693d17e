/* Seals are for good.
 *
 * `meta` of state.mdb has "sealed:NAME" for each category that a configuration in force ever
 * sealed, and so has the file STATE/sealed, a name on each line: either is enough, so that neither
 * a state.mdb that is damaged or lost nor an older backup of it loses a seal. A restore leaves the
 * file alone. A configuration that takes the seal off, or the category out, is refused by whoever
 * would put it in force: at the start, at a reload, and by commands that work on the state folder
 * themselves. A file that is there and cannot be read refuses all of them.
 * Whoever owns the machine may still begin with a new state folder; that is no slip of the pen, and
 * leaves the records behind.
 *
 * Threads: any. Only the daemon writes the file, once a configuration can come into force.
 */
#ifndef RESOLVER_POLICY_SEALS_H
#define RESOLVER_POLICY_SEALS_H

#include "resolver/config/config.h"
#include "resolver/policy/state.h"

struct seals {
    char *text;
    const char **names; /* within text */
    size_t count;
};

/* What STATE/sealed has; nothing where it is not there. 0 and *out_seals (seals_free() it); a
 * negative errno with a sentence. */
int seals_read(const char *folder, struct seals *out_seals, struct bl_error *error);
void seals_free(struct seals *seals);

/* Notes the seals of the configuration in the change. 0; -EPERM with a sentence where it takes one
 * off that state.mdb or STATE/sealed has. */
int seals_keep(struct change *change, const struct config *config, struct bl_error *error);

/* The same question to STATE/sealed alone, for whoever has no state.mdb. */
int seals_check(const char *folder, const struct config *config, struct bl_error *error);

/* Writes the seals of a configuration that seals_keep() or seals_check() let pass to STATE/sealed;
 * they hold all that is there. 0, or a negative errno with a sentence and the file as before. */
int seals_write(const char *folder, const struct config *config, struct bl_error *error);

#endif

/* Search engines and the hosts that serve them filtered: safe_search.txt, which the program
 * carries, as a table.
 *
 * Asked for every question of a group with safe search on, so that a name of no engine costs a
 * multiplication and the look at one bit. Built with a world, then read-only: any thread.
 */
#ifndef RESOLVER_QUERY_SAFE_SEARCH_H
#define RESOLVER_QUERY_SAFE_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "blocklists/name.h"
#include "resolver/config/config.h"

extern const unsigned char safe_search_shipped[];
extern const size_t safe_search_shipped_len;

struct safe_search;

/* How a name is made safe. */
struct safe_form {
    const char *engine;
    const struct bl_name *host; /* answered as an alias of it; NULL: there is none, denied */
};

/* From text in the form that safe_search.txt tells. 0, -EINVAL with the line that is wrong, or
 * -ENOMEM. */
int safe_search_create(const unsigned char *text, size_t len, struct safe_search **out_search,
                       struct bl_error *error);
void safe_search_free(struct safe_search *search); /* NULL is fine */

/* Whether `name` (lower-cased wire form) is an engine's that `level` does something about. */
bool safe_search_find(const struct safe_search *search, const uint8_t *name, size_t len,
                      enum config_safe_search level, struct safe_form *out_form);

#endif

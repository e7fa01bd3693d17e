/* The registrable domain of a name ("bbc.co.uk" of "www.bbc.co.uk"), by the Public Suffix List.
 *
 * Any thread. The list is the system's newest or the one built into libpsl; without either the last
 * two labels are taken.
 */
#ifndef RESOLVER_DENIALS_DOMAIN_H
#define RESOLVER_DENIALS_DOMAIN_H

#include <stddef.h>
#include <stdint.h>

/* The offset in a whole wire name where its registrable domain begins; 0 when the name is one
 * itself, is a public suffix, or has a single label. */
size_t domain_offset(const uint8_t *wire);

#endif

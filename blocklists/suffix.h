/* What is too much, or odd, for a list to name: top-level domains, public suffixes, homographs.
 *
 * The Public Suffix List is asked through libpsl. A look-up there costs a third of a microsecond,
 * which for millions of names is more than all the rest of reading them; so a small filter of the
 * suffixes' hashes, made from the list's text once, sends on only what may be one.
 *
 * Any thread: the list is loaded at the first call, under pthread_once, and stays for the process.
 */
#ifndef BLOCKLISTS_SUFFIX_H
#define BLOCKLISTS_SUFFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/name.h"

enum suffix_kind {
    SUFFIX_NONE,
    SUFFIX_TOP_LEVEL, /* one label */
    SUFFIX_REGISTRY,  /* "co.uk": names are registered below it, by anybody */
    SUFFIX_PRIVATE,   /* "blogspot.com": an owner that hands out names below its own */
};

enum suffix_kind suffix_of(const struct bl_name *name);

/* Where in a whole wire name the domain begins that its owner registered ("bbc.co.uk" of
 * "www.bbc.co.uk"): one label before the longest suffix. 0 where the name is one itself, is a
 * suffix, or has a single label. */
size_t suffix_domain(const uint8_t *wire);

/* Whether a label of the name mixes scripts, or is made of foreign letters that pass for Latin
 * ones: "pаypal" with a Cyrillic а. False for whatever has no A-label. */
bool name_looks_alike(const struct bl_name *name);

#endif

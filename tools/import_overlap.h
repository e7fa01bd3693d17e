/* Exceptions, of the configuration and granted beside it, that what is imported would speak
 * against: of a name that is listed, itself or by a parent, and of one with listed names below it.
 * For a preview. Asks the daemon for the grants, or reads them where none runs.
 */
#ifndef TOOLS_IMPORT_OVERLAP_H
#define TOOLS_IMPORT_OVERLAP_H

#include "tools/import.h"

/* One object for each exception and category: "name" and "group" (or device) of the exception,
 * "category", "sealed" (then it allows nobody), "grant" where it is one; "below" and "samples"
 * where it is not the name itself that is listed, but so many names below it. A new reference. */
json_t *overlaps_find(const struct import *import);
void overlaps_print(
    const struct import *import); /* the same in words; nothing where there are none */

#endif

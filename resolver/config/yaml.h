/* YAML text to a tree of nodes with their places in the file. The only door to libyaml.
 *
 * What is accepted is the plain part of YAML that people write by hand: one document of mappings,
 * lists and scalars in UTF-8. Anchors and aliases (which can make a small file huge), tags, several
 * documents and keys that are no words are told as faults. Internal to resolver/config/.
 *
 * Limits: 16 MiB of text, 32 levels, four million nodes. No recursion.
 */
#ifndef RESOLVER_CONFIG_YAML_H
#define RESOLVER_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "resolver/base/arena.h"
#include "resolver/config/faults.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;           /* a scalar in quotes or a block scalar: text, whatever it looks like */
    unsigned line, column; /* from 1 */
    const char *text;      /* of a scalar, NUL-terminated, without NULs inside; else "" */
    const char *key;       /* in a mapping; else NULL */
    unsigned key_line, key_column;
    struct yaml_node *first, *last, *next;
    size_t count; /* of a list or mapping */
};

enum { YAML_TEXT_MAX = 16 << 20, YAML_DEPTH_MAX = 32, YAML_NODES_MAX = 4000000 };

/* The root, in `arena`; NULL when the text cannot be read, with a fault. */
struct yaml_node *yaml_read(const char *text, size_t len, struct arena *arena,
                            struct faults *faults);

#endif

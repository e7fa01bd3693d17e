/* The one table of all keys: what config.yaml may say, with type, range, default and meaning.
 * Reading, checking, printing and the manual's list of keys all walk it. Internal to
 * resolver/config/, but for config_keys_print() in config.h.
 *
 * A row tells where its value lives: `offset` in the structure that the surrounding mapping fills.
 * To add a key, add a field to config.h and a row to keys.c.
 */
#ifndef RESOLVER_CONFIG_KEYS_H
#define RESOLVER_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_type {
    /* Scalars, and the field that each fills. */
    KEY_BOOL,         /* bool */
    KEY_COUNT,        /* unsigned, between least and most */
    KEY_WORKERS,      /* unsigned; "auto" is the number of processors */
    KEY_SIZE,         /* size_t: octets, "64MiB" */
    KEY_SECONDS,      /* uint32_t: "10s", "5m", "2h", "7d" */
    KEY_MILLISECONDS, /* unsigned: "1500ms" */
    KEY_TEXT,         /* const char *: any text, `most` characters */
    KEY_PATH,         /* const char *: relative to the file's folder */
    KEY_LOCATION,     /* const char *: a URL, or a path as above */
    KEY_WORD,         /* int: which of `words` */
    KEY_CATEGORY,     /* uint16_t: a category's index */
    KEY_GROUP,        /* uint16_t: a group's index */
    KEY_PERIOD,       /* uint16_t: a period's index */
    KEY_NAME,         /* uint8_t [BL_NAME_MAX]: a wire name */
    KEY_ADDRESS,      /* struct address; a port where `most` is set, which is the default */
    KEY_PREFIX,       /* struct address_prefix */
    KEY_MAC,          /* struct config_mac */
    KEY_DATES,        /* struct config_dates: "2026-10-26..2026-10-30" */
    KEY_TIMES,        /* struct config_times: "08:50-10:20" */
    /* Forms of their own. */
    KEY_DAYS,    /* uint8_t: [mon-fri, sun] */
    KEY_ANSWER,  /* struct config_answer: a word, or a list of addresses */
    KEY_TARGETS, /* struct config_targets */
    /* Containers. */
    KEY_LIST,   /* array of the scalar `element` */
    KEY_OBJECT, /* `children` in a structure at offset */
    KEY_MAP,    /* array of structures named by their keys; `name` first in each */
    KEY_ITEMS,  /* array of structures; a scalar stands for the first child */
};

enum key_form {
    FORM_WORD,
    FORM_DOMAIN
}; /* of a map's keys; FORM_DOMAIN: the wire name follows `name` */

struct key {
    const char *name; /* ""; in a map: its elements have no keys, the value is this row's */
    enum key_type type;
    enum key_type element; /* of KEY_LIST */
    enum key_form form;    /* of KEY_MAP */
    bool required;
    const char *or_else;        /* with `required`: the key that may stand in its place */
    size_t offset;              /* of the value, or of the array's pointer */
    size_t count_offset;        /* of an array's count */
    size_t size;                /* of an element of KEY_MAP and KEY_ITEMS */
    const struct key *children; /* ends with a NULL name */
    const char *fallback; /* the default as text, list elements separated by spaces; NULL: none */
    int64_t least, most;
    const char *const *words;
    const char *noun;      /* of a map's elements: "group" */
    size_t shipped_offset; /* of a bool in a map's elements: true: came with the program, not
                              printed */
    const char *meaning;
};

extern const struct key config_root;   /* config.yaml */
extern const struct key services_root; /* services.yaml, which we ship */

extern const char *const SEVERITY_WORDS[], *const ANSWER_WORDS[], *const DAY_WORDS[];

/* Octets of a scalar type's field. */
size_t key_size(enum key_type type);

/* For messages: the key, or "the value" in a map of plain values. */
static inline const char *key_label(const struct key *key)
{
    return *key->name ? key->name : "the value";
}

/* Where key's value lives in `base`. */
static inline void *key_field(const struct key *key, const void *base)
{
    return (char *)(uintptr_t)base + key->offset;
}

#endif

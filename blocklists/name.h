/* Domain names as the lists and the store know them.
 *
 * A name is kept in wire form (RFC 1035 section 3.1), lower-cased: length octets and labels, the
 * root's zero octet last. Wire form has no escapes, so a label with a dot or a zero octet in it is
 * never taken for two. Text appears only at the edges: bl_name_parse() for people and lists,
 * bl_name_text() for output.
 *
 * Any thread; no allocation.
 */
#ifndef BLOCKLISTS_NAME_H
#define BLOCKLISTS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BL_NAME_MAX = 255,              /* octets of a name on the wire, RFC 1035 section 2.3.4 */
    BL_LABEL_MAX = 63,              /* octets of a label */
    BL_LABELS_MAX = 127,            /* labels of a name, the root not counted */
    BL_NAME_TEXT_MAX = 4 * 255 + 1, /* the longest text form, every octet escaped, and the NUL */
};

struct bl_name {
    uint8_t len; /* octets used in wire, the root's included */
    uint8_t wire[BL_NAME_MAX];
};

enum bl_name_fault {
    BL_NAME_FINE,
    BL_NAME_EMPTY,
    BL_NAME_ROOT,           /* "." */
    BL_NAME_EMPTY_LABEL,    /* "a..b" */
    BL_NAME_LABEL_TOO_LONG, /* over 63 octets */
    BL_NAME_TOO_LONG,       /* over 255 octets */
    BL_NAME_BAD_CHARACTER,  /* outside letters, digits, '-' and '_' once IDNA has been applied */
    BL_NAME_BAD_IDN,        /* what IDNA 2008 (RFC 5891) refuses */
    BL_NAME_IS_ADDRESS,     /* an IPv4 or IPv6 address where a name belongs */
};

/* Reads the text form of a host-like name: lower-cases it, drops one trailing dot, turns UTF-8
 * labels into A-labels (IDNA 2008 with UTS 46 mapping). Writes *out_name only when it returns
 * BL_NAME_FINE. */
enum bl_name_fault bl_name_parse(const char *text, size_t len, struct bl_name *out_name);

/* The same, quicker, for text that is a name as it stands: letters, digits, '-', '_' and dots.
 * False for all else, and for names that IDNA has to make: bl_name_parse() knows what it is. Then
 * *out_name holds nothing of use. */
bool bl_name_parse_ascii(const char *text, size_t len, struct bl_name *out_name);

/* The fault in words, for "line 12: …". */
const char *bl_name_fault_text(enum bl_name_fault fault);

/* Writes the text form of a wire name (RFC 1035 section 5.1 escapes: \. \\ \DDD; no trailing dot,
 * "." for the root) and returns its length. `wire` must be a whole name; `text` holds
 * BL_NAME_TEXT_MAX. */
size_t bl_name_text(const uint8_t *wire, char text[BL_NAME_TEXT_MAX]);

/* The same as people see it, in UTF-8: A-labels ("xn--…") that stand for something are decoded.
 * `text` holds BL_NAME_TEXT_MAX. False where that is no other text than bl_name_text()'s. What it
 * shows may be hostile: it is for text_safe(). */
bool bl_name_unicode(const uint8_t *wire, char text[BL_NAME_TEXT_MAX]);

/* The code points of an A-label ("xn--…", at its length octet) as people see it, NUL-ended; false
 * for other labels and those that stand for nothing. */
bool bl_label_unicode(const uint8_t *label, uint32_t out_points[BL_LABEL_MAX + 1]);

/* Octets of the wire name, the root's included. `wire` must be a whole, checked name. */
size_t bl_name_length(const uint8_t *wire);

/* Whether the two lower-cased wire names are the same, and whether `name` is `parent` or below it.
 */
bool bl_name_equal(const uint8_t *a, const uint8_t *b);
bool bl_name_is_below(const uint8_t *name, const uint8_t *parent);

#endif

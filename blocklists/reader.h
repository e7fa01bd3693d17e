/* Between read.c, which splits a stream into lines and keeps the report, and the readers of formats
 * (format_*.c), which take a line apart. Nobody else includes this.
 *
 * A format's line() gets one line without its end, trimmed of blanks, not empty, at most
 * BL_LINE_MAX octets of anything but NUL. It calls reader_name() or reader_address() for what it
 * can use, reader_reject() for what is wrong, reader_unused() for what is right but not for us, or
 * none of them for a comment. It returns 0, or what one of these returned when that is negative
 * (the sink wants no more).
 *
 * A line is counted at most once as malformed and once as not used, whatever it holds.
 */
#ifndef BLOCKLISTS_READER_H
#define BLOCKLISTS_READER_H

#include "blocklists/read.h"

struct slice {
    const char *at;
    size_t len;
};

/* What a rule says of the names in it. */
struct rule {
    enum bl_scope scope;
    enum bl_action action;
    bool important;
    const struct bl_types *types; /* NULL: all */
};

struct reader {
    const struct bl_read_options *options;
    const struct bl_sink *sink;
    struct bl_read_report *report;
    struct bl_error *error;
    struct slice line; /* the line at hand, for samples */
    uint64_t number;   /* of the line at hand, from 1 */
    bool indented;     /* the line began with a blank, before it was trimmed */
    bool line_taken, line_malformed, line_unused;
    void *state; /* the format's own, `state_size` zeroed octets at the start */
    struct bl_entry entry;
};

struct format {
    const char *name;
    size_t state_size;
    int (*line)(struct reader *reader, struct slice line);
    int (*end)(struct reader *reader);   /* at the end of the stream; may be NULL */
    void (*fini)(struct reader *reader); /* frees what the state points to; may be NULL */
};

extern const struct format format_domains, format_hosts, format_adblock, format_dnsmasq,
    format_unbound, format_rpz, format_csv, format_addresses;

/* The format that the beginning of a stream shows; never NULL. */
const struct format *format_recognise(const char *head, size_t len);

/* One of the names of bl_format_names(), or NULL. */
const struct format *format_find(const char *name);

/* Gives `text` to the sink as one entry, or counts why not. */
int reader_name(struct reader *reader, struct slice text, const struct rule *rule);
int reader_parsed_name(struct reader *reader, const struct rule *rule); /* entry.name is it */
int reader_address(struct reader *reader, const struct bl_prefix *prefix, enum bl_action action);

/* `reason` is static. */
int reader_reject(struct reader *reader, const char *reason);
int reader_unused(struct reader *reader, const char *reason);
void reader_warn(struct reader *reader, const char *reason);

/* A line of one name ("d", ".d", "*.d") or of a hosts file, as they stand in more than one format.
 */
int reader_plain_line(struct reader *reader, struct slice line);

/* An address, "192.0.2.1" or "2001:db8::1"; a zone ("%lo0") is dropped. */
bool slice_address(struct slice text, struct bl_prefix *out_prefix);

/* The same with an optional "/length". */
bool slice_prefix(struct slice text, struct bl_prefix *out_prefix);

/* Whether it is two addresses, "192.0.2.4-192.0.2.9". */
bool slice_is_range(struct slice text);

/* Why a prefix cannot be meant, or is not for us; NULL when it is fine. */
const char *prefix_malformed(const struct bl_prefix *prefix, bool forced);
const char *prefix_unused(const struct bl_prefix *prefix, bool forced);

/* Whether answers with this address lead nowhere: how hosts files and dnsmasq say "blocked". */
bool prefix_is_nowhere(const struct bl_prefix *prefix);

struct slice slice_trim(struct slice text);
bool slice_is(struct slice text, const char *word);       /* letters in any case */
bool slice_starts(struct slice text, const char *prefix); /* letters in any case */
bool slice_ends(struct slice text, const char *suffix);   /* as written */
bool slice_has(struct slice text, const char *part);      /* as written */
bool slice_is_number(struct slice text);                  /* digits only */

/* The next word of `*rest`, up to a blank; empty at the end. */
struct slice slice_word(struct slice *rest);

/* What stands before the first `separator` in `*rest` (all, when there is none); drops both from
 * it. */
struct slice slice_until(struct slice *rest, char separator);

/* Drops a comment that begins with `mark` after a blank or at the start. */
struct slice slice_without_comment(struct slice text, char mark);

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

#endif

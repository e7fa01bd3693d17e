/* Readers of list formats: bytes in, entries out.
 *
 * A *source* is what a person or the configuration names: a file, a folder in UT1 layout, an
 * archive, "-", a URL. bl_source_walk() takes it apart into *parts*, each one list of one category,
 * and hands every part to the caller as a stream. bl_read() turns one stream into entries: it
 * recognises the format by content, gives each entry to a sink, and counts what it could not take.
 * It keeps nothing but the current line, so any list is read in the same memory, and whatever
 * yields bytes can be a part: a file, standard input, an entry of an archive, a download.
 *
 * Nothing is dropped in silence. A line ends up in exactly one of these: taken (one entry or more),
 * comment or blank (not counted), malformed (counted, the first five kept with their numbers), or
 * not used (counted under a reason: "browser-only rule").
 *
 * A line of any length and any bytes is fine input; lines over BL_LINE_MAX octets count as
 * malformed. What turns out to be no list at all (fifty thousand malformed lines and hardly
 * another, a million lines and hardly a name, or one line of 64 MB) is given up with -EILSEQ, so
 * that nobody waits for the end of /dev/urandom.
 *
 * Threads: any, one at a time for each input. Nothing here logs, locks or touches a store.
 */
#ifndef BLOCKLISTS_READ_H
#define BLOCKLISTS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "blocklists/entry.h"
#include "blocklists/error.h"
#include "blocklists/reasons.h"

enum {
    BL_LINE_MAX = 4096, /* octets of a line that a reader looks at */
    BL_SAMPLES_MAX = 5, /* malformed lines and warnings kept for showing */
    BL_SAMPLE_TEXT_MAX = 96,
    BL_LICENCE_MAX = 128,
    BL_LOCATION_MAX = 8192,
};

/* A stream of bytes. read() gives 1 to `len` octets, 0 at the end, or a negative errno (then
 * `error` has the cause: "the download was cut off after 1.2 MB"). */
struct bl_input {
    ssize_t (*read)(void *user, void *buffer, size_t len, struct bl_error *error);
    void *user;
};

/* Where entries go. take() returns 0, or a negative errno that ends the reading and is passed on.
 */
struct bl_sink {
    int (*take)(void *user, const struct bl_entry *entry, struct bl_error *error);
    void *user;
};

struct bl_read_options {
    const char *format;     /* "domains", "hosts", …; NULL: recognised by content */
    const char *csv_column; /* the heading of the column with names; NULL: found by content */
    enum bl_action action; /* of entries that do not say otherwise: a source may be an allow list */
    bool allow_tld;        /* take entries of one label, "zip" */
    bool forced;           /* take public suffixes too, "co.uk" */
};

struct bl_sample {
    uint64_t line;
    char text[BL_SAMPLE_TEXT_MAX]; /* the line's beginning; control and non-ASCII octets shown as
                                      '?' */
    struct bl_name name; /* that a warning is about; no octets: the line is what it is about */
    const char *reason;  /* static: "not a domain name: an empty label" */
};

/* What a reader says of one stream. Counts are of lines, `taken` of entries. */
struct bl_read_report {
    const char *format; /* static: what it was read as */
    uint64_t bytes;
    uint64_t read;  /* lines that say something: not blank, not a comment */
    uint64_t taken; /* entries handed to the sink */
    uint64_t malformed;
    uint64_t unused;
    uint64_t warned; /* entries that were taken with a warning */
    struct bl_sample malformed_samples[BL_SAMPLES_MAX];
    struct bl_sample warned_samples[BL_SAMPLES_MAX];
    unsigned malformed_sample_count, warned_sample_count;
    struct bl_reasons malformed_reasons, unused_reasons;
    char licence[BL_LICENCE_MAX]; /* from a comment at the head of the list, or "" */
    char sha256[65];              /* of all bytes, hexadecimal */
};

/* Reads `input` to its end. Returns 0 (a list without one good line is still 0: the caller looks at
 * `taken`), or a negative errno: the input's, the sink's, -EINVAL for an unknown format, -EILSEQ
 * when the content is no list at all (HTML, an image), -EFBIG over the limit. *out_report is
 * written in every case. */
int bl_read(const struct bl_input *input, const struct bl_read_options *options,
            const struct bl_sink *sink, struct bl_read_report *out_report, struct bl_error *error);

/* The formats' names, NULL last: for `--help` and checks of the configuration. */
const char *const *bl_format_names(void);

/* One list inside a source. */
struct bl_part {
    const char
        *location; /* "blacklists/gambling/domains"; of a plain file, the source's own location */
    const char *category;  /* as the layout says ("agressif" already mapped to "hate"), or NULL */
    const char *licence;   /* as the catalogue or the layout says, or "" */
    enum bl_action action; /* BL_ALLOW for lists that a layout marks as white lists */
};

struct bl_source_visitor {
    void *user;
    /* Called for each part in turn; reads `input` with bl_read() or not at all. Non-zero ends the
     * walk and is passed on. Everything is borrowed until it returns. */
    int (*part)(void *user, const struct bl_part *part, const struct bl_input *input,
                struct bl_error *error);
    /* Called for each file that is none: "gambling/urls", "web addresses, which DNS does not see".
     */
    void (*skipped)(void *user, const char *location, const char *reason);
};

struct bl_source_options {
    const char *sha256;   /* what the whole source must hash to, or NULL */
    const char *category; /* the category asked for; NULL: the layout must say */
    bool (*has_category)(void *user,
                         const char *name); /* whether the configuration has it; may be NULL */
    void *user;
    bool insecure;     /* plain http is fine */
    bool white_lists;  /* take what a layout marks as white lists, too; else they are skipped */
    const char *cache; /* folder for copies of downloads; NULL: none are kept */
    bool offline;      /* read the copy that bl_fetch_all() (fetch.h) put in `cache` */
    const char *const *bootstrap; /* name servers to look hosts up at, NULL last; or NULL */
    const char *ca_file;          /* certificates to trust instead of the system's, or NULL */
};

/* Opens the source `location` (file, folder, archive, "-", https URL) and visits its parts. Returns
 * 0, the visitor's value, or a negative errno with the cause. Never recurses into links; bounded as
 * read.c says. */
int bl_source_walk(const char *location, const struct bl_source_options *options,
                   const struct bl_source_visitor *visitor, struct bl_error *error);

#endif

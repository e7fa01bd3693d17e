/* Reading a text with a list reader, and what came of it as one line of text, for tables of tests:
 *
 *   d.test   the name and all below it      =d.test   exactly the name   *.d.test  only below it
 *   +d.test  allowed instead of blocked     d.test!   $important         192.0.2.0/24
 *   d.test (only A, AAAA)                   for some types of question
 *   ~reason  not used                       ?reason   malformed          ^reason   a warning
 */
#ifndef TESTS_UNIT_BLOCKLISTS_READING_H
#define TESTS_UNIT_BLOCKLISTS_READING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "blocklists/read.h"
#include "blocklists/types.h"

struct reading {
    const char *text;
    size_t len, at, chunk; /* chunk: octets given at a time, 0 for all */
    char out[8192];
    struct bl_read_report report;
    struct bl_error error;
};

/* A text that may hold NULs. */
#define TEXT(literal) (literal), sizeof(literal) - 1

static inline ssize_t reading_read(void *user, void *buffer, size_t len, struct bl_error *error)
{
    struct reading *reading = user;
    size_t left = reading->len - reading->at;

    (void)error;
    if (reading->chunk && len > reading->chunk)
        len = reading->chunk;
    if (len > left)
        len = left;
    memcpy(buffer, reading->text + reading->at, len);
    reading->at += len;
    return (ssize_t)len;
}

static inline void reading_say(struct reading *reading, const char *mark, const char *text,
                               const char *end)
{
    size_t used = strlen(reading->out);

    snprintf(reading->out + used, sizeof reading->out - used, "%s%s%s%s", used ? " " : "", mark,
             text, end);
}

static inline int reading_take(void *user, const struct bl_entry *entry, struct bl_error *error)
{
    struct reading *reading = user;
    char text[BL_NAME_TEXT_MAX], mark[8] = "", end[8 + BL_TYPES_TEXT_MAX], types[BL_TYPES_TEXT_MAX];

    (void)error;
    if (entry->action == BL_ALLOW)
        strcat(mark, "+");
    if (entry->is_address) {
        char address[INET6_ADDRSTRLEN];

        inet_ntop(entry->prefix.family == 4 ? AF_INET : AF_INET6, entry->prefix.address, address,
                  sizeof address);
        snprintf(text, sizeof text, "%s/%u", address, entry->prefix.length);
    } else {
        bl_name_text(entry->name.wire, text);
        strcat(mark, entry->scope == BL_EXACT ? "=" : entry->scope == BL_BELOW ? "*." : "");
    }
    bl_types_text(&entry->types, types);
    snprintf(end, sizeof end, "%s%s%s%s", entry->important ? "!" : "", types[0] ? " (" : "", types,
             types[0] ? ")" : "");
    reading_say(reading, mark, text, end);
    return 0;
}

static inline int reading_run(struct reading *reading, const struct bl_read_options *options,
                              const char *text, size_t len)
{
    struct bl_input input = {.read = reading_read, .user = reading};
    struct bl_sink sink = {.take = reading_take, .user = reading};
    size_t chunk = reading->chunk;
    int rc;

    memset(reading, 0, sizeof *reading);
    reading->text = text;
    reading->len = len;
    reading->chunk = chunk;
    rc = bl_read(&input, options, &sink, &reading->report, &reading->error);
    for (unsigned i = 0; i < reading->report.malformed_sample_count; i++)
        reading_say(reading, "?", reading->report.malformed_samples[i].reason, "");
    for (unsigned i = 0; i < reading->report.unused_reasons.count; i++)
        reading_say(reading, "~", reading->report.unused_reasons.each[i].reason, "");
    for (unsigned i = 0; i < reading->report.warned_sample_count; i++)
        reading_say(reading, "^", reading->report.warned_samples[i].reason, "");
    return rc;
}

/* Every row of a table, read as `format`, whole and octet by octet. */
struct reading_row {
    const char *text;
    size_t len;
    const char *expected;
};

static inline void reading_table(const char *format, const struct reading_row *rows, size_t count)
{
    struct bl_read_options options = {.format = format};
    static struct reading reading;

    for (size_t i = 0; i < count; i++)
        for (size_t chunk = 0; chunk < 2; chunk++) {
            reading.chunk = chunk;
            assert_int_equal(reading_run(&reading, &options, rows[i].text, rows[i].len), 0);
            if (strcmp(reading.out, rows[i].expected) != 0)
                fail_msg("%s: \"%s\" gave\n  %s\ninstead of\n  %s", format, rows[i].text,
                         reading.out, rows[i].expected);
        }
}

#endif

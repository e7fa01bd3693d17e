/* One stream to entries: bytes to lines, lines to the format's reader, all of it counted.
 *
 * Bounds: a stream of BL_STREAM_MAX octets, lines of BL_LINE_MAX, one buffer of BUFFER_SIZE
 * whatever comes.
 */
#include "blocklists/read.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/reader.h"
#include "blocklists/suffix.h"

enum { BUFFER_SIZE = 256 * 1024, HEAD_SIZE = 64 * 1024, LICENCE_LINES = 64 };

/* Fifty times the largest list that anybody publishes. */
static const uint64_t BL_STREAM_MAX = (uint64_t)4 << 30;

/* What is no list at all is not read to its end: so many malformed lines and hardly another, a
 * million lines and hardly a name, or one line without an end. */
enum { HOPELESS_LINES = 50000, HOPELESS_SHARE = 20, HOPELESS_LINE = 64 << 20 };
enum { USELESS_LINES = 1000000, USELESS_SHARE = 1000 };

struct stream {
    const struct bl_input *input;
    EVP_MD_CTX *hash;
    char *buffer; /* BUFFER_SIZE */
    size_t begin, end;
    bool ended, skipping; /* skipping: inside a line that is too long */
    size_t skipped;       /* of it */
};

static void stream_fini(struct stream *stream)
{
    EVP_MD_CTX_free(stream->hash);
    free(stream->buffer);
}

static int stream_init(struct stream *stream, const struct bl_input *input, struct bl_error *error)
{
    *stream =
        (struct stream){.input = input, .hash = EVP_MD_CTX_new(), .buffer = malloc(BUFFER_SIZE)};
    if (!stream->hash || !stream->buffer || !EVP_DigestInit_ex(stream->hash, EVP_sha256(), NULL)) {
        stream_fini(stream);
        return bl_error_set(error, -ENOMEM, "there is not enough memory to read a list");
    }
    return 0;
}

/* Reads on until at least `want` octets are there, or the end. */
static int stream_fill(struct stream *stream, size_t want, struct reader *reader)
{
    if (stream->begin > 0) {
        memmove(stream->buffer, stream->buffer + stream->begin, stream->end - stream->begin);
        stream->end -= stream->begin;
        stream->begin = 0;
    }
    while (!stream->ended && stream->end < want) {
        ssize_t got = stream->input->read(stream->input->user, stream->buffer + stream->end,
                                          BUFFER_SIZE - stream->end, reader->error);

        if (got < 0)
            return (int)got;
        if (got == 0) {
            stream->ended = true;
            break;
        }
        EVP_DigestUpdate(stream->hash, stream->buffer + stream->end, (size_t)got);
        stream->end += (size_t)got;
        reader->report->bytes += (uint64_t)got;
        if (reader->report->bytes > BL_STREAM_MAX)
            return bl_error_set(reader->error, -EFBIG,
                                "the list is larger than 4 GB, which no list of names is");
    }
    return 0;
}

/* The next line without its end: 1 and *out_line, 0 at the end of the stream, or a negative errno.
 * A line that does not fit is told by *out_too_long, with its beginning in *out_line. */
static int stream_line(struct stream *stream, struct reader *reader, struct slice *out_line,
                       bool *out_too_long)
{
    for (;;) {
        char *from = stream->buffer + stream->begin;
        size_t have = stream->end - stream->begin;
        char *newline = memchr(from, '\n', have);
        bool was_skipping = stream->skipping;
        int rc;

        if (newline || (stream->ended && have > 0) || have == BUFFER_SIZE) {
            size_t len = newline ? (size_t)(newline - from) : have;

            stream->begin += newline ? len + 1 : len;
            stream->skipping = !newline && !stream->ended;
            stream->skipped = was_skipping ? stream->skipped + len : 0;
            if (stream->skipped > HOPELESS_LINE)
                return bl_error_set(reader->error, -EILSEQ,
                                    "this is no list: it has a line of more than 64 MB");
            if (was_skipping)
                continue;
            *out_too_long = len > BL_LINE_MAX;
            *out_line = (struct slice){from, len < BL_LINE_MAX ? len : BL_LINE_MAX};
            return 1;
        }
        if (stream->ended)
            return 0;
        rc = stream_fill(stream, have + 1, reader);
        if (rc < 0)
            return rc;
    }
}

/* Copies what a terminal can show: '?' stands for every other octet. */
static void text_copy(struct slice from, char *text, size_t size)
{
    size_t len = from.len < size ? from.len : size - 1;

    memcpy(text, from.at, len);
    text[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~')
            text[i] = '?';
}

static void sample_take(struct reader *reader, struct bl_sample samples[BL_SAMPLES_MAX],
                        unsigned *count, const struct bl_name *name, const char *reason)
{
    struct bl_sample *sample;

    if (*count == BL_SAMPLES_MAX)
        return;
    sample = &samples[(*count)++];
    sample->name.len = 0;
    if (name)
        sample->name = *name;
    text_copy(reader->line, sample->text, sizeof sample->text);
    sample->line = reader->number;
    sample->reason = reason;
}

int reader_reject(struct reader *reader, const char *reason)
{
    struct bl_read_report *report = reader->report;

    if (!reader->line_malformed) {
        report->malformed++;
        bl_reasons_note(&report->malformed_reasons, reason, 1);
        sample_take(reader, report->malformed_samples, &report->malformed_sample_count, NULL,
                    reason);
    }
    reader->line_malformed = true;
    return 0;
}

int reader_unused(struct reader *reader, const char *reason)
{
    if (reader->line_unused)
        return 0;
    reader->line_unused = true;
    reader->report->unused++;
    bl_reasons_note(&reader->report->unused_reasons, reason, 1);
    return 0;
}

void reader_warn(struct reader *reader, const char *reason)
{
    struct bl_read_report *report = reader->report;

    report->warned++;
    sample_take(reader, report->warned_samples, &report->warned_sample_count, &reader->entry.name,
                reason);
}

static int reader_take(struct reader *reader)
{
    reader->entry.line = (uint32_t)reader->number;
    reader->line_taken = true;
    reader->report->taken++;
    return reader->sink->take(reader->sink->user, &reader->entry, reader->error);
}

int reader_name(struct reader *reader, struct slice text, const struct rule *rule)
{
    enum bl_name_fault fault = bl_name_parse(text.at, text.len, &reader->entry.name);

    if (fault == BL_NAME_IS_ADDRESS)
        return reader_unused(reader, "an address in a list of names");
    if (fault != BL_NAME_FINE)
        return reader_reject(reader, bl_name_fault_text(fault));
    return reader_parsed_name(reader, rule);
}

int reader_parsed_name(struct reader *reader, const struct rule *rule)
{
    struct bl_entry *entry = &reader->entry;

    switch (suffix_of(&entry->name)) {
    case SUFFIX_TOP_LEVEL:
        if (!reader->options->allow_tld)
            return reader_reject(reader, "a top-level domain: everything below it would go too");
        break;
    case SUFFIX_REGISTRY:
        if (!reader->options->forced)
            return reader_reject(reader, "a public suffix: names of everybody are below it");
        break;
    case SUFFIX_PRIVATE:
        reader_warn(reader, "others have names of their own below this one");
        break;
    case SUFFIX_NONE:
        break;
    }
    if (name_looks_alike(&entry->name))
        reader_warn(reader, "letters of another alphabet that look like Latin ones");
    entry->action = rule->action;
    entry->scope = rule->scope;
    entry->important = rule->important;
    entry->types.count = 0;
    if (rule->types)
        entry->types = *rule->types;
    entry->is_address = 0;
    return reader_take(reader);
}

int reader_address(struct reader *reader, const struct bl_prefix *prefix, enum bl_action action)
{
    struct bl_entry *entry = &reader->entry;
    const char *malformed = prefix_malformed(prefix, reader->options->forced);
    const char *unused = prefix_unused(prefix, reader->options->forced);

    if (malformed)
        return reader_reject(reader, malformed);
    if (unused)
        return reader_unused(reader, unused);
    entry->action = action;
    entry->scope = BL_EXACT;
    entry->important = 0;
    entry->types.count = 0;
    entry->is_address = 1;
    entry->prefix = *prefix;
    return reader_take(reader);
}

/* "# License: MIT", "! Licence: https://…", within the first lines. */
static void licence_look(struct reader *reader, struct slice line)
{
    while (line.len > 0 && (line.at[0] == '#' || line.at[0] == '!' || line.at[0] == ';')) {
        line.at++;
        line.len--;
    }
    line = slice_trim(line);
    if (!slice_starts(line, "license:") && !slice_starts(line, "licence:"))
        return;
    line = slice_trim((struct slice){line.at + 8, line.len - 8});
    text_copy(line, reader->report->licence, BL_LICENCE_MAX);
}

/* What is certainly no list, in words; NULL when it may be one. */
static const char *content_fault(struct slice head)
{
    static const struct {
        const char *magic;
        size_t len;
        const char *what;
    } kinds[] = {
        {"\x1f\x8b", 2, "compressed data (gzip)"},
        {"PK\3\4", 4, "a zip archive"},
        {"\xfd"
         "7zXZ",
         5, "compressed data (xz)"},
        {"\x28\xb5\x2f\xfd", 4, "compressed data (zstd)"},
        {"\x7f"
         "ELF",
         4, "a program"},
        {"\x89PNG", 4, "a picture"},
        {"\xff\xd8\xff", 3, "a picture"},
        {"GIF8", 4, "a picture"},
        {"%PDF", 4, "a PDF document"},
        {"\xff\xfe", 2, "text in UTF-16; please save it as UTF-8"},
        {"\xfe\xff", 2, "text in UTF-16; please save it as UTF-8"},
    };
    size_t control = 0, looked = head.len < 4096 ? head.len : 4096;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (head.len >= kinds[i].len && memcmp(head.at, kinds[i].magic, kinds[i].len) == 0)
            return kinds[i].what;
    for (size_t i = 0; i < looked; i++)
        control += (unsigned char)head.at[i] < ' ' && !memchr("\t\n\r", head.at[i], 3);
    if (looked >= 64 && control > looked / 4)
        return "no text";
    head = slice_trim(head);
    while (head.len > 0 && (head.at[0] == '\n' || head.at[0] == '\r'))
        head = slice_trim((struct slice){head.at + 1, head.len - 1});
    if (head.len > 0 && head.at[0] == '<')
        return "a web page or XML document";
    if (head.len > 0 && head.at[0] == '{')
        return "a JSON document";
    return NULL;
}

/* Finds the format and drops a byte order mark. */
static int stream_begin(struct stream *stream, struct reader *reader,
                        const struct format **out_format)
{
    struct slice head;
    const char *fault;
    int rc = stream_fill(stream, HEAD_SIZE, reader);

    if (rc < 0)
        return rc;
    if (stream->end >= 3 && memcmp(stream->buffer, "\xef\xbb\xbf", 3) == 0)
        stream->begin = 3;
    head = (struct slice){stream->buffer + stream->begin, stream->end - stream->begin};
    if (head.len > HEAD_SIZE)
        head.len = HEAD_SIZE;
    fault = content_fault(head);
    if (fault)
        return bl_error_set(reader->error, -EILSEQ, "this is no list: it is %s", fault);
    *out_format = reader->options->format ? format_find(reader->options->format)
                                          : format_recognise(head.at, head.len);
    if (!*out_format)
        return bl_error_set(reader->error, -EINVAL, "there is no list format \"%s\"",
                            reader->options->format);
    return 0;
}

static int hopeless_check(const struct reader *reader, const struct format *format)
{
    const struct bl_read_report *report = reader->report;
    bool malformed =
        report->malformed >= HOPELESS_LINES && report->taken < report->malformed / HOPELESS_SHARE;
    bool useless = report->read >= USELESS_LINES && report->taken < report->read / USELESS_SHARE;

    if (!malformed && !useless)
        return 0;
    return bl_error_set(reader->error, -EILSEQ,
                        "this is no list, or none in the format \"%s\": of its first %llu lines, "
                        "%llu are malformed and %llu hold a name",
                        format->name, (unsigned long long)report->read,
                        (unsigned long long)report->malformed, (unsigned long long)report->taken);
}

static int stream_read_lines(struct stream *stream, struct reader *reader,
                             const struct format *format)
{
    struct slice line;
    bool too_long = false;
    int rc;

    while ((rc = stream_line(stream, reader, &line, &too_long)) > 0) {
        reader->number++;
        reader->line_taken = reader->line_malformed = reader->line_unused = false;
        reader->indented = line.len > 0 && (line.at[0] == ' ' || line.at[0] == '\t');
        line = slice_trim(line);
        if (line.len == 0)
            continue;
        reader->line = line;
        if (reader->number <= LICENCE_LINES && !reader->report->licence[0])
            licence_look(reader, line);
        if (too_long)
            rc = reader_reject(reader, "a line of more than 4096 octets");
        else if (memchr(line.at, '\0', line.len))
            rc = reader_reject(reader, "a NUL octet in the line");
        else
            rc = format->line(reader, line);
        reader->report->read += reader->line_taken || reader->line_malformed || reader->line_unused;
        if (rc == 0 && !reader->line_taken)
            rc = hopeless_check(reader, format);
        if (rc < 0)
            return rc;
    }
    if (rc == 0 && format->end) {
        reader->line_taken = reader->line_malformed = reader->line_unused = false;
        rc = format->end(reader);
    }
    return rc;
}

static void stream_hash_text(struct stream *stream, char text[65])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    EVP_DigestFinal_ex(stream->hash, digest, &len);
    for (unsigned i = 0; i < len && i < 32; i++)
        snprintf(text + 2 * (size_t)i, 3, "%02x", digest[i]);
}

int bl_read(const struct bl_input *input, const struct bl_read_options *options,
            const struct bl_sink *sink, struct bl_read_report *out_report, struct bl_error *error)
{
    struct reader reader = {.options = options, .sink = sink, .report = out_report, .error = error};
    const struct format *format = NULL;
    struct stream stream;
    int rc;

    memset(out_report, 0, sizeof *out_report);
    out_report->format = options->format ? options->format : "unknown";
    rc = stream_init(&stream, input, error);
    if (rc < 0)
        return rc;
    rc = stream_begin(&stream, &reader, &format);
    if (rc < 0)
        goto out;
    out_report->format = format->name;
    if (format->state_size > 0) {
        reader.state = calloc(1, format->state_size);
        if (!reader.state) {
            rc = bl_error_set(error, -ENOMEM, "there is not enough memory to read a list");
            goto out;
        }
    }
    rc = stream_read_lines(&stream, &reader, format);
    if (rc == 0)
        stream_hash_text(&stream, out_report->sha256);
    if (reader.state && format->fini)
        format->fini(&reader);
out:
    free(reader.state);
    stream_fini(&stream);
    return rc;
}

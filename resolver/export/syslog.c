/* Syslog's messages (RFC 5424) and the journal's. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/text.h"
#include "resolver/denials/words.h"
#include "resolver/export/event.h"

enum { VALUE_MAX = 4096 }; /* of a change's before and after, say: receivers take 8 KB at least */

/* A private enterprise number of RFC 5612's for documents: this project has none of its own. */
static const char *const SD_IDS[] = {"denial@32473", "change@32473", "counted@32473"};
static const char *const MESSAGE_IDS[] = {"b7c3c29a5be94b0f9f0e3b6f0d5f5b01",
                                          "5d0a6a0f0f3d4a4bb7e6a5b0f4c2e802",
                                          "9b1f4c6e2d8a47f3a5c07d61e8b3f204"};
static const char *const WORDS[] = {"denial", "change", "counted"};

/* Low to urgent; a change is as a medium one. RFC 5424 section 6.2.1. */
static int priority(const struct event *event)
{
    static const int levels[] = {6, 5, 4, 1}; /* informational, notice, warning, alert */

    return event->kind == EVENT_CHANGE ? 5 : levels[event->severity & 3];
}

/* The value of a field as text; the caller frees it. NULL: nothing to tell, or no memory. */
static char *value_text(const json_t *value)
{
    if (json_is_string(value))
        return strdup(json_string_value(value));
    if (json_is_null(value))
        return NULL;
    return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
}

/* Cuts a text between two characters of UTF-8. */
static size_t text_cut(const char *text, size_t len)
{
    if (len <= VALUE_MAX)
        return len;
    for (len = VALUE_MAX; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80; len--) {
    }
    return len;
}

static void text_put(const char *text, size_t len, const char *escaped, FILE *out)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr(escaped, text[i]) != NULL)
            putc('\\', out);
        putc(text[i], out);
    }
}

/* RFC 5424 section 6.3.3: printable ASCII, 32 at most. */
static bool is_parameter_name(const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i < len; i++)
        if (key[i] <= ' ' || key[i] > '~' || strchr("=]\"", key[i]) != NULL)
            return false;
    return len > 0 && len <= 32;
}

/* RFC 5424 section 6.3.3: quote, backslash and bracket are escaped. */
static void parameters_put(const struct event *event, FILE *out)
{
    const char *key;
    json_t *value;

    fprintf(out, "[%s", SD_IDS[event->kind]);
    json_object_foreach(event->object, key, value)
    {
        char *text = value_text(value);
        if (text == NULL || strcmp(key, "event") == 0 || !is_parameter_name(key)) {
            free(text);
            continue;
        }
        fprintf(out, " %s=\"", key);
        text_clean(text);
        text_put(text, text_cut(text, strlen(text)), "\"\\]", out);
        putc('"', out);
        free(text);
    }
    putc(']', out);
}

/* One line without anything that moves a reader's cursor: it is read in terminals. */
static char *sentence_make(const struct event *event, size_t *out_len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, out_len);

    if (out == NULL)
        return NULL;
    event_sentence(event, out);
    if (fclose(out) == 0) {
        *out_len = strlen(text_clean(text));
        return text;
    }
    free(text);
    return NULL;
}

static bool text_is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

int event_syslog(const struct event *event, const struct event_syslog *syslog, FILE *out)
{
    char time[DENIAL_TIME_MAX];
    size_t len;
    char *sentence = sentence_make(event, &len);

    if (sentence == NULL)
        return -ENOMEM;
    fprintf(out, "<%d>1 %s %s chalkgate %u %s ", syslog->facility * 8 + priority(event),
            denial_time_text(event->wall_ms, time), syslog->host, syslog->pid, WORDS[event->kind]);
    parameters_put(event, out);
    putc(' ', out);
    if (!text_is_ascii(sentence))
        fputs("\xef\xbb\xbf", out); /* section 6.4: UTF-8 says so */
    text_put(sentence, text_cut(sentence, len), "", out);
    free(sentence);
    return ferror(out) ? -ENOMEM : 0;
}

/* systemd's "Native Journal Protocol": a value with a line's end comes with its length. */
static void field_put(const char *name, const char *value, size_t len, FILE *out)
{
    fputs(name, out);
    if (memchr(value, '\n', len) == NULL) {
        putc('=', out);
    } else {
        putc('\n', out);
        for (unsigned i = 0; i < 8; i++)
            putc((int)((uint64_t)len >> (8 * i) & 0xff), out);
    }
    fwrite(value, 1, len, out);
    putc('\n', out);
}

static void number_field_put(const char *name, unsigned value, FILE *out)
{
    char text[16];

    field_put(name, text, (size_t)snprintf(text, sizeof(text), "%u", value), out);
}

/* The journal's names are of A to Z, digits and '_'. */
static void field_name(const char *key, char name[64])
{
    size_t len = (size_t)snprintf(name, 64, "CHALKGATE_%s", key);

    for (size_t i = 0; i < len && i < 63; i++) {
        if (name[i] >= 'a' && name[i] <= 'z')
            name[i] = (char)(name[i] - 'a' + 'A');
        else if (!(name[i] >= 'A' && name[i] <= 'Z') && !(name[i] >= '0' && name[i] <= '9'))
            name[i] = '_';
    }
}

int event_journal(const struct event *event, const struct event_syslog *syslog, FILE *out)
{
    size_t len;
    char *sentence = sentence_make(event, &len);
    const char *key;
    json_t *value;

    if (sentence == NULL)
        return -ENOMEM;
    field_put("MESSAGE", sentence, len, out);
    free(sentence);
    field_put("MESSAGE_ID", MESSAGE_IDS[event->kind], 32, out);
    number_field_put("PRIORITY", (unsigned)priority(event), out);
    number_field_put("SYSLOG_FACILITY", (unsigned)syslog->facility, out);
    field_put("SYSLOG_IDENTIFIER", "chalkgate", 9, out);
    json_object_foreach(event->object, key, value)
    {
        char name[64], *text = value_text(value);
        if (text != NULL) {
            field_name(key, name);
            field_put(name, text, text_cut(text, strlen(text)), out);
        }
        free(text);
    }
    return ferror(out) ? -ENOMEM : 0;
}

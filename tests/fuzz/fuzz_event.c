/* Events of any names and words: what goes out keeps its form, and says what went in. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/export/event.h"
#include <dnstap.pb-c.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORD_MAX = 300 };

static void must(int condition)
{
    if (!condition)
        abort();
}

/* The next octets as a word without NUL. */
static char *word_take(const uint8_t **data, size_t *size, char word[WORD_MAX + 1])
{
    size_t len = *size > 0 ? (*data)[0] : 0, at = 0;

    for (size_t i = 1; i < *size && at < len && at < WORD_MAX; i++)
        word[at++] = (char)((*data)[i] != 0 ? (*data)[i] : 'x');
    word[at] = '\0';
    *data += at + (*size > 0);
    *size -= at + (*size > 0);
    return word;
}

/* The next octets as a wire name. */
static void name_take(const uint8_t **data, size_t *size, uint8_t name[BL_NAME_MAX])
{
    size_t at = 0;

    while (*size > 1 && at + 2 + ((*data)[0] & 15) < BL_NAME_MAX && ((*data)[0] & 15) > 0) {
        size_t len = (*data)[0] & 15;
        if (len > *size - 1)
            break;
        name[at++] = (uint8_t)len;
        memcpy(name + at, *data + 1, len);
        at += len;
        *data += 1 + len;
        *size -= 1 + len;
    }
    name[at] = 0;
}

static char *render(int (*form)(const struct event *, const struct event_syslog *, FILE *),
                    const struct event *event, size_t *out_len)
{
    struct event_syslog syslog = {.facility = 10, .host = "school", .pid = 1};
    char *text = NULL;
    FILE *out = open_memstream(&text, out_len);

    must(out != NULL && form(event, &syslog, out) == 0 && fclose(out) == 0);
    return text;
}

/* RFC 5424 section 6: each parameter ends with an unescaped quote, and nothing moves the cursor. */
static void syslog_check(const struct event *event)
{
    size_t len;
    char *text = render(event_syslog, event, &len), *at = strchr(text, '[');

    must(at != NULL);
    for (size_t i = 0; i < len; i++)
        must((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
    at = strchr(at, ' ');
    while (*at == ' ') {
        char key[40], value[8192];
        size_t key_len = strcspn(++at, "="), value_len = 0;
        must(key_len > 0 && key_len <= 32);
        memcpy(key, at, key_len);
        key[key_len] = '\0';
        at += key_len + 1;
        must(*at++ == '"');
        for (; *at != '"'; at++) {
            must(*at != '\0' && *at != ']');
            if (*at == '\\')
                must(*++at == '"' || *at == '\\' || *at == ']');
            value[value_len++] = *at;
        }
        value[value_len] = '\0';
        at++;
        const json_t *told = json_object_get(event->object, key);
        must(told != NULL);
        if (strcmp(key, "name") == 0 || strcmp(key, "matched") == 0)
            must(strcmp(value, json_string_value(told)) == 0);
    }
    must(at[0] == ']' && at[1] == ' ');
    free(text);
}

static void json_check(const struct event *event)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    must(out != NULL && event_json(event, out) == 0 && fclose(out) == 0);
    for (size_t i = 0; i + 1 < len; i++)
        must(text[i] >= 0x20 && text[i] < 0x7f);
    must(text[len - 1] == '\n');
    json_t *again = json_loads(text, 0, NULL);
    must(again != NULL && json_equal(again, event->object));
    json_decref(again);
    free(text);
}

/* Each field ends where it says, and none was made up. */
static void journal_check(const struct event *event)
{
    size_t len, fields = 0;
    char *text = render(event_journal, event, &len), *end = text + len;

    for (char *at = text; at < end; fields++) {
        char *line = memchr(at, '\n', (size_t)(end - at));
        must(line != NULL);
        char *sign = memchr(at, '=', (size_t)(line - at));
        for (char *name = at; name < (sign != NULL ? sign : line); name++)
            must((*name >= 'A' && *name <= 'Z') || *name == '_' ||
                 (name > at && *name >= '0' && *name <= '9'));
        if (sign == NULL) {
            uint64_t count;
            memcpy(&count, line + 1, sizeof(count));
            must(count < (uint64_t)(end - line) - 9);
            line += 9 + count;
            must(*line == '\n');
        }
        at = line + 1;
    }
    must(fields == 5 + json_object_size(event->object));
    free(text);
}

static void dnstap_check(const struct event *event, const struct config *config)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    must(out != NULL && event_dnstap(event, config, "school", out) == 1 && fclose(out) == 0);
    Dnstap__Dnstap *again = dnstap__dnstap__unpack(NULL, len, (const uint8_t *)text);
    must(again != NULL && again->message != NULL && again->message->policy != NULL);
    must(again->message->query_message.len >= 12 + 1 + 4);
    dnstap__dnstap__free_unpacked(again, NULL);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct config config = {.path = ""};
    char group[WORD_MAX + 1], category[WORD_MAX + 1], title[WORD_MAX + 1];
    uint8_t name[BL_NAME_MAX], matched[BL_NAME_MAX];
    struct event event;

    if (size < 8)
        return 0;
    static const struct denial_device nobody;
    struct denial_record record = {.device = &nobody,
                                   .wall_ms = 1795487409502 + data[0],
                                   .case_number = 77,
                                   .severity = data[1],
                                   .qtype = (uint16_t)(data[2] << 8 | data[3]),
                                   .rule = data[4],
                                   .via = data[5],
                                   .transport = data[6],
                                   .observed = data[7] & 1,
                                   .count = 3,
                                   .qname = name};
    memcpy(record.client.bytes,
           data[7] & 4 ? "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\1\2\3"
                       : "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1",
           16);
    if (data[7] & 2)
        record.address = record.client.bytes;
    data += 8;
    size -= 8;
    record.group = word_take(&data, &size, group);
    record.category = word_take(&data, &size, category);
    record.title = word_take(&data, &size, title);
    name_take(&data, &size, name);
    name_take(&data, &size, matched);
    if (record.address == NULL && matched[0] != 0)
        record.matched = matched;
    must(event_of_denial(&record, &event) == 0);
    syslog_check(&event);
    json_check(&event);
    journal_check(&event);
    dnstap_check(&event, &config);
    event_fini(&event);
    return 0;
}

#include "resolver/export/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "resolver/denials/words.h"
#include "resolver/policy/policy.h"

int event_of_denial(const struct denial_record *record, struct event *out_event)
{
    json_t *object = json_pack("{ss}", "event", "denial");
    json_t *fields = denial_record_json(
        record, policy_rule_text(record->rule < RULE_KINDS ? record->rule : RULE_NONE));

    if (object == NULL || fields == NULL || json_object_update(object, fields) < 0) {
        json_decref(object);
        json_decref(fields);
        return -ENOMEM;
    }
    json_decref(fields);
    *out_event = (struct event){.kind = EVENT_DENIAL,
                                .object = object,
                                .wall_ms = record->wall_ms,
                                .severity = record->severity,
                                .record = record};
    return 0;
}

/* "2026-11-23T11:15:00Z", as the change log writes it. */
static int64_t change_ms(const json_t *entry)
{
    const char *text = json_string_value(json_object_get(entry, "time"));
    struct tm parts = {0};

    return text != NULL && strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts) != NULL
               ? (int64_t)timegm(&parts) * 1000
               : 0;
}

int event_of_change(const json_t *entry, struct event *out_event)
{
    json_t *object = json_pack("{ss}", "event", "change"), *value;
    json_t *copy = json_deep_copy(entry);
    const char *key;

    if (object == NULL || copy == NULL) {
        json_decref(object);
        json_decref(copy);
        return -ENOMEM;
    }
    /* Who did it is flat, so that every form has it as fields of its own. */
    json_object_foreach(json_object_get(copy, "by"), key, value)
    {
        char flat[64];
        snprintf(flat, sizeof(flat), "by-%.32s", key);
        json_object_set(object, flat, value);
    }
    json_object_del(copy, "by");
    json_object_del(copy, "time_text");
    json_object_update(object, copy);
    json_decref(copy);
    *out_event = (struct event){.kind = EVENT_CHANGE,
                                .object = object,
                                .wall_ms = change_ms(entry),
                                .severity = SEVERITY_MEDIUM};
    return 0;
}

int event_of_counted(const struct feed_counted *counted, struct event *out_event)
{
    char from[DENIAL_TIME_MAX], until[DENIAL_TIME_MAX];
    json_t *object = json_pack(
        "{ss,ss,ss,so,so,so,ss,sI}", "event", "counted", "time",
        denial_time_text(counted->from_ms, from), "until",
        denial_time_text(counted->until_ms, until), "group", denial_word_json(counted->group),
        "category", denial_word_json(counted->category), "title", denial_word_json(counted->title),
        "severity", denial_severity_text(counted->severity), "count", (json_int_t)counted->count);

    if (object == NULL)
        return -ENOMEM;
    *out_event = (struct event){.kind = EVENT_COUNTED,
                                .object = object,
                                .wall_ms = counted->from_ms,
                                .severity = counted->severity};
    return 0;
}

void event_fini(struct event *event)
{
    json_decref(event->object);
    event->object = NULL;
}

int event_json(const struct event *event, FILE *out)
{
    char *text = json_dumps(event->object, JSON_COMPACT | JSON_ENSURE_ASCII);

    if (text == NULL)
        return -ENOMEM;
    /* DEL is no control character to JSON, but it is one to a terminal. */
    for (const char *at = text; *at != '\0'; at++)
        if (*at == 0x7f)
            fputs("\\u007f", out);
        else
            putc(*at, out);
    putc('\n', out);
    free(text);
    return ferror(out) ? -ENOMEM : 0;
}

static const char *word(const struct event *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event->object, key));

    return text != NULL ? text : "";
}

/* "23 look-ups of pupils were refused and counted, but not itemised: Gambling, 12:00 to 13:00". */
static void counted_sentence(const struct event *event, FILE *out)
{
    enum { CLOCK = sizeof("2026-11-23T") - 1, CLOCK_LEN = 5 };
    const char *group = word(event, "group"), *title = word(event, "title");

    fprintf(out, "%lld look-ups of %s were refused and counted, but not itemised: ",
            (long long)json_integer_value(json_object_get(event->object, "count")),
            group[0] != '\0' ? group : "a group that is not known");
    if (title[0] == '\0')
        title = word(event, "category");
    fprintf(out, "%s, %.*s to %.*s", title[0] != '\0' ? title : "of no known category", CLOCK_LEN,
            word(event, "time") + CLOCK, CLOCK_LEN, word(event, "until") + CLOCK);
}

void event_sentence(const struct event *event, FILE *out)
{
    const char *reason = word(event, "reason");

    if (event->kind == EVENT_COUNTED) {
        counted_sentence(event, out);
        return;
    }
    if (event->kind == EVENT_CHANGE) {
        fprintf(out, "%s: %s %s", word(event, "by-login"), word(event, "action"),
                word(event, "target"));
        if (reason[0] != '\0')
            fprintf(out, ", because: %s", reason);
        return;
    }
    fprintf(out, "%s (%s) %s %s: %s, case %s", word(event, "client"), word(event, "group"),
            event->record->observed ? "was let through, though observed, to" : "was refused",
            word(event, "name"),
            word(event, "title")[0] ? word(event, "title") : word(event, "rule"),
            word(event, "case"));
}

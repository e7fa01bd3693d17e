#include "resolver/denials/describe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "blocklists/name.h"
#include "resolver/denials/journal.h"
#include "resolver/denials/journal_format.h"
#include "resolver/denials/words.h"

static char *moment_text(int64_t wall_ms, char out[40])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local = {0};
    char zone[8];

    localtime_r(&seconds, &local);
    strftime(zone, sizeof(zone), "%z", &local);
    size_t len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &local);
    snprintf(out + len, 40 - len, "%.3s:%s", zone, zone + 3);
    return out;
}

json_t *denial_record_describe(const struct denial_record *record)
{
    char time[40], client[ADDRESS_TEXT_MAX], name[BL_NAME_TEXT_MAX], match[BL_NAME_TEXT_MAX];

    bl_name_text(record->qname, name);
    json_t *object = json_pack(
        "{sI,ss,ss,so,so,so,ss,ss,si,ss,ss,sb,sI,sI,sI}", "wall_ms", (json_int_t)record->wall_ms,
        "time", moment_text(record->wall_ms, time), "device", address_text(&record->client, client),
        "group", denial_word_json(record->group), "category", denial_word_json(record->category),
        "title", denial_word_json(record->title), "severity",
        denial_severity_text(record->severity), "name", name, "type", (int)record->qtype, "matched",
        denial_match_text(record, match), "via", denial_via_text(record->via), "observed",
        (int)record->observed, "count", (json_int_t)record->count, "policy_version",
        (json_int_t)record->policy_version, "generation", (json_int_t)record->generation);
    denial_device_tell(record->device, object);
    return object;
}

static int record_take(void *user, const struct denial_record *record)
{
    json_t **out_denial = user;

    *out_denial = denial_record_describe(record);
    return 1;
}

int denial_describe(const char *state, const char *code, bool copy, json_t **out_denial,
                    struct bl_error *error)
{
    struct denials_filter filter = {.until_ms = INT64_MAX, .copy = copy};
    char text[CASE_TEXT_MAX];
    json_t *denial = NULL;

    if (denials_case_parse(code, &filter.case_number) < 0)
        return bl_error_set(error, -EINVAL, "\"%s\" is no case code; they look like K7Q-M2F9",
                            code);
    if (journal_case_is_counted(filter.case_number))
        return bl_error_set(
            error, -ENODATA,
            "case %s was refused and counted, but not itemised: the record could not be "
            "written at that time (a full disk, for example)",
            denials_case_text(filter.case_number, text));
    int found = denials_search(state, &filter, record_take, &denial, error);
    if (found < 0)
        return found;
    if (found == 0)
        return bl_error_set(error, -ENOENT, "case %s is not on record, or is kept no more",
                            denials_case_text(filter.case_number, text));
    if (denial == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory");
    json_object_set_new(denial, "case", json_string(denials_case_text(filter.case_number, text)));
    *out_denial = denial;
    return 0;
}

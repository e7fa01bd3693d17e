#include "resolver/denials/questions.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "blocklists/name.h"
#include "resolver/denials/describe.h"
#include "resolver/denials/records.h"

struct finding {
    json_t *questions;
    size_t most;
    bool more, failed;
};

/* The newest are wanted: the oldest go. */
static void newest_keep(struct finding *finding)
{
    size_t count = json_array_size(finding->questions);
    json_t *newest;

    if (count <= finding->most)
        return;
    newest = json_array();
    for (size_t i = count - finding->most; i < count; i++)
        json_array_append(newest, json_array_get(finding->questions, i));
    json_decref(finding->questions);
    finding->questions = newest;
    finding->more = true;
}

static int question_take(void *user, const struct denial_record *record)
{
    struct finding *finding = user;

    /* Half of what is kept goes at a time, so that it costs little. */
    if (json_array_size(finding->questions) >= 2 * finding->most)
        newest_keep(finding);
    finding->failed = json_array_append_new(finding->questions, denial_record_describe(record)) < 0;
    return finding->failed;
}

static int filter_read(const json_t *request, struct denials_filter *filter,
                       struct address_prefix *client, struct bl_name *name, struct bl_error *error)
{
    const json_t *since = json_object_get(request, "since_ms");
    const json_t *until = json_object_get(request, "until_ms");
    const char *address = json_string_value(json_object_get(request, "client"));
    const char *wanted = json_string_value(json_object_get(request, "name"));

    filter->since_ms = json_integer_value(since);
    filter->until_ms = until != NULL ? json_integer_value(until) : INT64_MAX;
    filter->group = json_string_value(json_object_get(request, "group"));
    if (address != NULL) {
        if (address_prefix_parse(address, client) < 0)
            return bl_error_set(error, -EINVAL, "\"%s\" is no address or subnet", address);
        filter->client = client;
    }
    if (wanted != NULL) {
        enum bl_name_fault fault = bl_name_parse(wanted, strlen(wanted), name);
        if (fault != BL_NAME_FINE)
            return bl_error_set(error, -EINVAL, "\"%s\": %s", wanted, bl_name_fault_text(fault));
        filter->name = name->wire;
    }
    return 0;
}

int questions_find(const char *state, const json_t *request, bool copy, json_t *reply,
                   struct bl_error *error)
{
    json_int_t most = json_integer_value(json_object_get(request, "most"));
    struct denials_filter filter = {.copy = copy};
    struct address_prefix client;
    struct bl_name name;
    char folder[PATH_MAX];
    struct finding finding = {.most = most > 0 && most < QUESTIONS_MOST ? (size_t)most
                                                                        : QUESTIONS_MOST};
    int code = filter_read(request, &filter, &client, &name, error);

    if (code < 0)
        return code;
    snprintf(folder, sizeof(folder), "%s/allowed", state);
    finding.questions = json_array();
    code = denials_search(folder, &filter, question_take, &finding, error);
    if (code >= 0 && finding.failed)
        code = bl_error_set(error, -ENOMEM, "out of memory for the questions on record");
    newest_keep(&finding);
    if (code < 0) {
        json_decref(finding.questions);
        return code;
    }
    json_object_set_new(reply, "questions", finding.questions);
    json_object_set_new(reply, "more", json_boolean(finding.more));
    return 0;
}

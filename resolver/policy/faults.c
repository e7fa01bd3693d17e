#include <errno.h>
#include <string.h>

#include "blocklists/name.h"
#include "resolver/policy/followup.h"
#include "resolver/policy/incidents.h"

/* The name as it is written everywhere; "" where the fault is about none. */
static int name_read(const json_t *request, char out[BL_NAME_TEXT_MAX], struct bl_error *error)
{
    const char *text = json_string_value(json_object_get(request, "name"));
    struct bl_name name;

    out[0] = '\0';
    if (text == NULL)
        return 0;
    enum bl_name_fault fault = bl_name_parse(text, strlen(text), &name);
    if (fault != BL_NAME_FINE)
        return bl_error_set(error, -EINVAL,
                            "\"%.255s\": %s; please give the site's name alone, such as "
                            "www.museum.example, or none, and say the rest with --reason",
                            text, bl_name_fault_text(fault));
    bl_name_text(name.wire, out);
    return 0;
}

int act_fault_report(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    static const char *const kinds[] = {"should-be-blocked", "should-be-allowed", "other"};
    const char *text = followup_text(request, "text", "what is wrong, with --reason TEXT", error);
    const char *kind = json_string_value(json_object_get(request, "kind"));
    char name[BL_NAME_TEXT_MAX];
    bool known = false;
    uint32_t id;

    if (text == NULL)
        return -EINVAL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        known = known || (kind != NULL && strcmp(kind, kinds[i]) == 0);
    if (!known)
        return bl_error_set(error, -EINVAL,
                            "please say whether it should be blocked or allowed, or that it is "
                            "something else");
    int code = name_read(request, name, error);
    if (code == 0)
        code = followup_id_next(act, "fault", &id, error);
    if (code < 0)
        return code;
    json_t *fault = json_pack("{si,ss,ss,ss,ss,so,so}", "id", (int)id, "state", "open", "kind",
                              kind, "name", name, "text", text, "reported", followup_moment(act),
                              "reported_by", followup_person(act));
    if (fault == NULL)
        return bl_error_set(error, -EINVAL, "the text is no UTF-8");
    code = followup_write(act, TABLE_FAULTS, fault, error);
    if (code == 0)
        code = followup_log(act, "fault-report", "fault", id,
                            json_pack("{ss,ss}", "kind", kind, "name", name), text, error);
    json_object_set_new(reply, "fault", fault);
    return code;
}

int act_fault_close(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    const char *text = followup_text(request, "text", "how it ended, with --outcome TEXT", error);
    json_t *fault;

    if (text == NULL)
        return -EINVAL;
    int code = followup_read(act, TABLE_FAULTS, followup_id(request), "fault", &fault, error);
    if (code < 0)
        return code;
    if (!followup_is_open(fault))
        code = bl_error_set(error, -EINVAL, "fault %u is closed already", followup_id(request));
    json_object_set_new(fault, "state", json_string("closed"));
    json_object_set_new(fault, "outcome", json_string(text));
    json_object_set_new(fault, "closed", followup_moment(act));
    json_object_set_new(fault, "closed_by", followup_person(act));
    if (code == 0)
        code = followup_write(act, TABLE_FAULTS, fault, error);
    if (code == 0)
        code = followup_log(act, "fault-close", "fault", followup_id(request), NULL, text, error);
    json_object_set_new(reply, "fault", fault);
    return code;
}

int act_faults(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    return followup_show(act, TABLE_FAULTS, "fault", "faults", request, reply, error);
}

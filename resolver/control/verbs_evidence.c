/* Following up: incidents and faults, by the functions of policy/incidents.h. What a case was is
 * looked up here, so that nobody opens an incident about a denial that never was. */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "resolver/base/log.h"
#include "resolver/control/keyring.h"
#include "resolver/control/rules.h"
#include "resolver/denials/describe.h"
#include "resolver/denials/pseudonym.h"
#include "resolver/denials/questions.h"
#include "resolver/policy/incidents.h"

/* Puts the denial that "case" names into the request, in place of whatever stood there. */
static int case_resolve(struct daemon *daemon, json_t *request, struct bl_error *error)
{
    const char *code = json_string_value(json_object_get(request, "case"));
    json_t *denial;

    json_object_del(request, "denial");
    if (code == NULL)
        return 0;
    int result = denial_describe(daemon->state, code, true, &denial, error);
    if (result < 0)
        return result == -ENODATA ? -ENOENT : result;
    json_object_set_new(request, "denial", denial);
    return 0;
}

#define HANDLE_STEP(name, function, told)                                                          \
    static int name(struct daemon *daemon, const struct caller *caller, json_t *request, int fd,   \
                    json_t *reply, struct bl_error *error)                                         \
    {                                                                                              \
        int code = case_resolve(daemon, request, error);                                           \
        (void)fd;                                                                                  \
        if (code == 0)                                                                             \
            code = rules_act(daemon, caller, function, request, reply, error);                     \
        if (code == 0)                                                                             \
            log_notice("%s: %s", caller->login, told);                                             \
        return code;                                                                               \
    }

HANDLE_STEP(handle_open, act_incident_open, "an incident was opened")
HANDLE_STEP(handle_note, act_incident_note, "an incident got a note")
HANDLE_STEP(handle_close, act_incident_close, "an incident was closed")
HANDLE_STEP(handle_export, act_incident_export, "an incident was exported")
HANDLE_STEP(handle_fault, act_fault_report, "a fault was reported")
HANDLE_STEP(handle_fault_close, act_fault_close, "a fault was closed")

#define HANDLE_READ(name, function)                                                                \
    static int name(struct daemon *daemon, const struct caller *caller, json_t *request, int fd,   \
                    json_t *reply, struct bl_error *error)                                         \
    {                                                                                              \
        (void)caller;                                                                              \
        (void)fd;                                                                                  \
        return rules_read(daemon, function, request, reply, error);                                \
    }

HANDLE_READ(handle_incidents, act_incidents)
HANDLE_READ(handle_faults, act_faults)

/* These are done by the command on the files themselves; it asks where it is not let in, so that
 * the refusal is told, and on record, like every other. */
static int handle_reading(struct daemon *daemon, const struct caller *caller, json_t *request,
                          int fd, json_t *reply, struct bl_error *error)
{
    (void)daemon;
    (void)caller;
    (void)request;
    (void)fd;
    (void)reply;
    (void)error;
    return 0;
}

/* Who looks behind a pseudonym or at visits is on record before anything is told. */
static int reading_note(struct daemon *daemon, const struct actor *actor, const char *action,
                        const char *target, json_t *after, const char *reason,
                        struct bl_error *error)
{
    int code = rules_note(daemon, actor, action, target, NULL, after, reason);

    return code == 0 ? 0
                     : bl_error_set(error, -EIO,
                                    "this must go on record, and the change log cannot be written "
                                    "now, so nothing is told; `chalkgate status` and the log say "
                                    "what is wrong");
}

/* What was visited, device by device: who looks, and why, is on record before anything is told. */
static int handle_questions(struct daemon *daemon, const struct caller *caller, json_t *request,
                            int fd, json_t *reply, struct bl_error *error)
{
    const char *reason = json_string_value(json_object_get(request, "reason"));
    struct actor actor = rules_actor(caller);

    (void)fd;
    if (reason == NULL || reason[0] == '\0')
        return bl_error_set(error, -EINVAL, "please say why, with --reason: it goes on record");
    json_object_del(request, "verb");
    pthread_mutex_lock(&daemon->change);
    int code =
        reading_note(daemon, &actor, "read", "questions", json_deep_copy(request), reason, error);
    pthread_mutex_unlock(&daemon->change);
    if (code < 0)
        return code;
    log_notice("%s: allowed questions were read", caller->login);
    return questions_find(daemon->state, request, true, reply, error);
}

static void pseudonym_add(void *user, const struct address *pseudonym)
{
    char text[ADDRESS_TEXT_MAX];

    json_array_append_new(user, json_string(address_text(pseudonym, text)));
}

static int device_reveal(const char *folder, const struct address *client, json_t *reply,
                         struct bl_error *error)
{
    json_t *pseudonyms = json_array();
    char text[ADDRESS_TEXT_MAX];
    struct address found;
    int code = address_is_pseudonym(client)
                   ? pseudonym_reveal(folder, client, &found, error)
                   : pseudonym_each(folder, client, pseudonym_add, pseudonyms, error);

    if (code == -ENOENT && access(folder, F_OK) < 0)
        bl_error_set(error, code,
                     "there are no keys of pseudonyms here: records hold addresses, or the keys "
                     "went with the last record that needed them");
    if (code == 0 && address_is_pseudonym(client))
        json_object_set_new(reply, "address", json_string(address_text(&found, text)));
    else if (code == 0)
        json_object_set(reply, "pseudonyms", pseudonyms);
    json_decref(pseudonyms);
    return code;
}

/* Whose pseudonym that is, or what an address's are: an act that goes on record first. */
static int handle_reveal(struct daemon *daemon, const struct caller *caller, json_t *request,
                         int fd, json_t *reply, struct bl_error *error)
{
    const char *device = control_string(request, "device", error);
    const char *reason = json_string_value(json_object_get(request, "reason"));
    struct actor actor = rules_actor(caller);
    struct address client;
    char folder[PATH_MAX];

    (void)fd;
    if (device == NULL)
        return -EINVAL;
    if (reason == NULL || reason[0] == '\0')
        return bl_error_set(error, -EINVAL, "please say why, with --reason: it goes on record");
    if (address_parse(device, 0, &client) < 0)
        return bl_error_set(error, -EINVAL, "\"%s\" is neither a pseudonym nor an address", device);
    int code = reading_note(daemon, &actor, "reveal", device, NULL, reason, error);
    if (code < 0)
        return code;
    log_notice("%s: a device's pseudonym was revealed", caller->login);
    struct world *world = daemon_world(daemon);
    keyring_folder(daemon->state, world->config, folder, sizeof folder);
    world_unref(world);
    return device_reveal(folder, &client, reply, error);
}

/* Who reads the records follows them up: no step here changes the policy. */
const struct control_verb control_evidence_verbs[] = {
    {"incident-open", ROLE_VIEWER, CONTROL_CHANGES, handle_open},
    {"incident-note", ROLE_VIEWER, CONTROL_CHANGES, handle_note},
    {"incident-close", ROLE_VIEWER, CONTROL_CHANGES, handle_close},
    {"incident-export", ROLE_VIEWER, CONTROL_CHANGES, handle_export},
    {"incidents", ROLE_VIEWER, CONTROL_READS, handle_incidents},
    {"fault-report", ROLE_VIEWER, CONTROL_CHANGES, handle_fault},
    {"fault-close", ROLE_VIEWER, CONTROL_CHANGES, handle_fault_close},
    {"faults", ROLE_VIEWER, CONTROL_READS, handle_faults},
    {"reveal", ROLE_MANAGER, CONTROL_CHANGES, handle_reveal},
    {"questions", ROLE_VIEWER, CONTROL_READS, handle_questions},
    {"denials", ROLE_VIEWER, CONTROL_READS, handle_reading},
    {"report", ROLE_VIEWER, CONTROL_READS, handle_reading},
    {"case", ROLE_VIEWER, CONTROL_READS, handle_reading},
    {"backup", ROLE_MANAGER, CONTROL_READS, handle_reading},
    {"restore", ROLE_MANAGER, CONTROL_READS, handle_reading},
    {0},
};

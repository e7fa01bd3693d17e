/* Other lists: imported, or those of before. */
#include <errno.h>

#include "resolver/control/lists_word.h"
#include "resolver/policy/acts_lists.h"

static int lists_handle(struct daemon *daemon, const struct caller *caller, const json_t *request,
                        const struct lists_wanted *wanted, json_t *reply, struct bl_error *error)
{
    const char *reason = json_string_value(json_object_get(request, "reason"));
    int code = lists_word_enter(daemon, caller, wanted, reason, reply, error);

    return code < 0 ? code : 0; /* 1: the reply says that they wait */
}

static int handle_adopt(struct daemon *daemon, const struct caller *caller, json_t *request, int fd,
                        json_t *reply, struct bl_error *error)
{
    const struct lists_wanted wanted = {
        .fd = fd,
        .allow_shrink = json_is_true(json_object_get(request, "allow-shrink")),
        .is_refresh = json_is_true(json_object_get(request, "refresh")),
    };

    if (fd < 0)
        return bl_error_set(error, -EINVAL, "no staged lists came along");
    return lists_handle(daemon, caller, request, &wanted, reply, error);
}

static int handle_rollback(struct daemon *daemon, const struct caller *caller, json_t *request,
                           int fd, json_t *reply, struct bl_error *error)
{
    json_int_t generation = json_integer_value(json_object_get(request, "generation"));
    const struct lists_wanted wanted = {
        .fd = -1, .generation = (uint64_t)generation, .allow_shrink = true};

    (void)fd;
    if (generation < 0)
        return bl_error_set(error, -EINVAL, "there is no generation %lld", (long long)generation);
    return lists_handle(daemon, caller, request, &wanted, reply, error);
}

const struct control_verb control_lists_verbs[] = {
    {"lists-adopt", ROLE_MANAGER, CONTROL_CHANGES, handle_adopt},
    {"lists-rollback", ROLE_MANAGER, CONTROL_CHANGES, handle_rollback},
    {0},
};

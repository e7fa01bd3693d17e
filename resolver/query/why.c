#include "resolver/query/why.h"

#include <errno.h>

#include "resolver/policy/calendar.h"
#include "resolver/query/local.h"

bool why_is_past(const json_t *request, int64_t now_s, int64_t *out_at_ms)
{
    const json_t *at = json_object_get(request, "at");

    if (!json_is_integer(at) || json_integer_value(at) < 0 || json_integer_value(at) >= now_s)
        return false;
    *out_at_ms = json_integer_value(at) * 1000;
    return true;
}

/* Names that are answered here are those of that configuration, too. */
static int past_tell(const struct why *why, struct then *then, const json_t *request, int64_t now_s,
                     json_t *reply, struct bl_error *error)
{
    struct way way = why->way;
    struct local_names *local = NULL;
    char at[CALENDAR_TEXT_MAX];
    int code;

    if (then->is_of_then && local_create(then->config, &local) < 0)
        return bl_error_set(error, -ENOMEM, "no memory for the names that were answered here");
    way.local = local ? local : way.local;
    then->world.beyond = way_tell;
    then->world.beyond_user = &way;
    code = story_answer(&then->world, request, now_s, reply, error);
    local_free(local);
    if (code == 0 && json_object_size(json_object_get(request, "resolved")))
        json_array_append_new(
            then->notes, json_string("what the name's answer leads to was asked now, not then"));
    if (code == 0)
        then_tell(then, json_object_get(reply, "stories"));
    else if (then->is_of_then) /* a group of today may have been none then */
        bl_error_wrap(error, code, "as the rules stood at %s",
                      calendar_text(policy_calendar(then->policy), then->at_ms / 1000, false, at));
    return code;
}

int why_answer(const struct why *why, struct then *then, const json_t *request, int64_t now_s,
               json_t *reply, struct bl_error *error)
{
    struct story_world world = why->today;
    int code;

    if (!then) {
        world.beyond = way_tell;
        world.beyond_user = &why->way;
        return story_answer(&world, request, now_s, reply, error);
    }
    code = then_build(then, &world, why->state, error);
    if (code == 0)
        code = past_tell(why, then, request, now_s, reply, error);
    then_fini(then);
    return code;
}

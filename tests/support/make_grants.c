/* make-grants STATE COUNT: so many grants of a manager, for good, in a state folder, with their
 * entries in the change log: every tenth allows nN.many.example, the others deny it, for the group
 * pupils. One by one, each with a policy version and a world of its own, they would take hours. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "resolver/policy/grants.h"

static int grant_make(struct change *change, int number, struct bl_error *error)
{
    const char *kind = number % 10 ? "deny" : "allow";
    char name[64];
    json_t *grant;
    int code;

    snprintf(name, sizeof name, "n%d.many.example", number);
    grant = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "kind", kind, "target_kind",
                      "name", "target", name, "group", "pupils", "state", "active", "reason",
                      "one of many", "by", "mary", "user", "root", "at",
                      (json_int_t)change_now_ms(change));
    code = grant_add(change, grant, error);
    if (code == 0)
        code = change_log(change, kind, name, NULL, grant, "one of many", error);
    json_decref(grant);
    return code;
}

int main(int argc, char **argv)
{
    struct actor mary = {.user = "root", .login = "mary", .role = "manager"};
    struct bl_error error = {0};
    struct change *change = NULL;
    struct state *state = NULL;
    int code = argc == 3 ? 0 : 2;

    if (code)
        return fprintf(stderr, "usage: make-grants STATE COUNT\n"), code;
    code = state_open(argv[1], true, &state, &error);
    if (code == 0)
        code = change_begin(state, &mary, (int64_t)time(NULL) * 1000, &change, &error);
    for (int i = 0; code == 0 && i < atoi(argv[2]); i++)
        code = grant_make(change, i, &error);
    if (code == 0)
        code = change_commit(change, &error);
    else
        change_abort(change);
    state_close(state);
    if (code < 0)
        fprintf(stderr, "make-grants: %s\n", error.text);
    return code < 0;
}

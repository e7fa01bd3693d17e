/* `chalkgate lists rollback`. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "blocklists/lists.h"
#include "tools/ask.h"
#include "tools/lists.h"
#include "tools/lists_here.h"

struct rollback_arguments {
    uint64_t wanted; /* 0: the one before */
    const char *reason;
};

static error_t rollback_parse(int key, char *value, struct argp_state *state)
{
    struct rollback_arguments *arguments = state->input;

    switch (key) {
    case 'r':
        arguments->reason = value;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->wanted)
            argp_error(state, "one generation, please");
        arguments->wanted = generation_parse(value, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option rollback_table[] = {
    {"reason", 'r', "TEXT", 0, "why, for the change log", 0},
    {0},
};

static const struct argp rollback_argp = {
    .options = rollback_table,
    .parser = rollback_parse,
    .args_doc = "[GENERATION]",
    .doc =
        "Puts an older generation of the lists back in force: the one named, or the one before. A "
        "sealed category stays as it is: if it would lose names, nothing is changed. With "
        "`roles.requires-approval`, going back to less waits until a second manager confirms it.",
};

/* Nobody else answers for the state folder: then this command does. */
static enum exit_code rollback_here(struct command *command, uint64_t wanted, const char *reason,
                                    uint64_t *out_generation, json_t **out_reply,
                                    struct bl_error *error)
{
    const struct lists_set set = {.fd = -1, .wanted = wanted, .reason = reason};
    int rc = lists_set_here(command, &set, out_generation, out_reply, error);

    if (rc >= 0)
        return EXIT_DONE;
    return rc == -EPERM ? EXIT_NOT_ALLOWED : rc == -ENOENT ? EXIT_NOTHING : EXIT_FAILED;
}

/* The generation in force; 0 where nobody can say. */
static uint64_t generation_now(struct command *command)
{
    char path[BL_PATH_MAX];
    uint64_t current = 0;

    return bl_lists_current(command_state(command), &current, path, NULL) < 0 ? 0 : current;
}

/* Sources that `lists update` reads come back with its next run, the bad one too. */
static bool has_subscriptions(struct command *command, uint64_t generation)
{
    struct bl_store *store = NULL;
    char path[BL_PATH_MAX];
    bool has = false;

    if ((size_t)snprintf(path, sizeof path, "%s/lists/%08" PRIu64 ".mdb", command_state(command),
                         generation) >= sizeof path ||
        bl_store_open(path, &store, NULL) < 0)
        return false;
    for (unsigned i = 0; i < bl_store_source_count(store); i++)
        has |= bl_store_source(store, i)->subscribed;
    bl_store_close(store);
    return has;
}

static void rollback_tell(struct command *command, uint64_t before, uint64_t generation)
{
    if (command->json) {
        json_print(json_pack("{s:I}", "generation", (json_int_t)generation));
        return;
    }
    if (before == generation) {
        printf("Generation %" PRIu64 " was in force already: nothing has changed.\n", generation);
        return;
    }
    printf("Generation %" PRIu64 " is in force again.\n", generation);
    if (before)
        printf("`chalkgate lists diff %" PRIu64 "` shows what that changed, and `chalkgate lists "
               "rollback %" PRIu64 "` undoes it.\n",
               before, before);
    if (before && has_subscriptions(command, before))
        puts("The next `chalkgate lists update` reads the sources anew: one that is wrong is "
             "better\ntaken out of the configuration until then.");
}

static void waiting_tell(const struct command *command, uint64_t generation, json_t *grant)
{
    if (command->json)
        json_print(json_pack("{s:I, s:O}", "generation", (json_int_t)generation, "waiting", grant));
    else
        ask_waiting_print(grant);
}

enum exit_code lists_rollback_run(struct command *command, int argc, char **argv)
{
    struct rollback_arguments arguments = {0};
    struct bl_error error = {""};
    json_t *reply = NULL;
    uint64_t generation = 0, before;
    int failed = verb_parse(&rollback_argp, argc, argv, &arguments);
    enum exit_code code = EXIT_DONE;

    if (failed)
        return (enum exit_code)(failed - 1);
    if (!command_state(command))
        return EXIT_USAGE;
    if (!arguments.wanted)
        code = generation_before(command, "go back to", &arguments.wanted);
    else if (!generation_is_kept(command, arguments.wanted))
        code = generation_missing(command, arguments.wanted);
    if (code != EXIT_DONE)
        return code;
    before = generation_now(command);
    code = ask_daemon(command, "lists-rollback",
                      json_pack("{s:I, s:s*}", "generation", (json_int_t)arguments.wanted, "reason",
                                arguments.reason),
                      -1, &reply, &error);
    if (code == EXIT_NO_DAEMON)
        code =
            rollback_here(command, arguments.wanted, arguments.reason, &generation, &reply, &error);
    else if (code == EXIT_DONE)
        generation = (uint64_t)json_integer_value(json_object_get(reply, "generation"));
    if (code != EXIT_DONE)
        code = error.text[0] ? command_fail(code, "%s", error.text) : code;
    else if (json_object_get(reply, "grant"))
        waiting_tell(command, generation, json_object_get(reply, "grant"));
    else
        rollback_tell(command, before, generation);
    json_decref(reply);
    return code;
}

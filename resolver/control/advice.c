#include "resolver/control/advice.h"

#include <errno.h>
#include <stdio.h>

#include "blocklists/lists.h"
#include "resolver/base/log.h"
#include "resolver/control/daemon.h"
#include "resolver/policy/idle.h"

enum { SENTENCES_MOST = 5 };

struct gathering {
    json_t *sentences;
    size_t more;
};

static void sentence_gather(void *user, const char *sentence)
{
    struct gathering *gathering = user;

    if (json_array_size(gathering->sentences) < SENTENCES_MOST)
        json_array_append_new(gathering->sentences, json_string(sentence));
    else
        gathering->more++;
}

json_t *advice_of(struct daemon *daemon, const struct world *world)
{
    struct gathering gathering = {.sentences = json_array()};
    struct bl_error error = {0};

    pthread_mutex_lock(&daemon->lock);
    if (daemon->restart_wanted[0])
        json_array_append_new(gathering.sentences, json_string(daemon->restart_wanted));
    pthread_mutex_unlock(&daemon->lock);
    config_doubts(world->config, sentence_gather, &gathering);
    if (policy_idle(world->policy, sentence_gather, &gathering, &error) < 0)
        json_array_append_new(gathering.sentences,
                              json_sprintf("the exceptions of the configuration could not be "
                                           "compared with the lists: %s",
                                           error.text));
    if (gathering.more)
        json_array_append_new(gathering.sentences,
                              json_sprintf("%zu more exception%s without effect; `chalkgated "
                                           "--check` names those of the configuration",
                                           gathering.more, gathering.more == 1 ? " is" : "s are"));
    return gathering.sentences;
}

void advice_log(const json_t *advice)
{
    json_t *sentence;
    size_t i;

    json_array_foreach(advice, i, sentence) log_warning("%s", json_string_value(sentence));
}

static void sentence_print(void *user, const char *sentence)
{
    fprintf(stderr, "chalkgated: %s: warning: %s\n", (const char *)user, sentence);
}

void advice_check(const struct config *config)
{
    char path[BL_PATH_MAX], *name = (char *)(uintptr_t)config->path;
    struct bl_store *store = NULL;
    struct policy *policy = NULL;
    struct bl_error error = {0};
    uint64_t generation;
    int code = bl_lists_current(config->state, &generation, path, &error);

    config_doubts(config, sentence_print, name);
    if (code == -ENOENT)
        return;
    if (code == 0)
        code = bl_lists_open(path, generation, &store, &error);
    if (code == 0) {
        code = policy_build(config, store, 1, &policy, &error);
        if (code == 0)
            code = policy_idle(policy, sentence_print, name, &error);
    }
    if (code < 0)
        bl_error_wrap(&error, code, "it could not be compared with the lists in force");
    if (code < 0)
        sentence_print(name, error.text);
    policy_free(policy);
    bl_store_close(store);
}

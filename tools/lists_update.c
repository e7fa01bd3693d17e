/* `chalkgate lists update`: the subscriptions of the configuration, fetched anew.
 *
 * All addresses are fetched at once, then everything that came is read into one import. A source
 * that fails, on the way or as a list, costs itself only: what is in force of it stays. Where
 * nothing has changed there is no new generation, unless the lists in force were read so long ago
 * that they would count as stale.
 *
 * What an update read before and the configuration names no more leaves with the next one. Where
 * the guard over the lists objects to that, or a source of the same category fails, it stays for
 * now and is told, and all else goes on: somebody has to say --allow-shrink. The same where the
 * lists as they were read are so much shorter: the category keeps what it has, as if they had
 * failed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "blocklists/fetch.h"
#include "blocklists/lists.h"
#include "resolver/config/subscribed.h"
#include "tools/import.h"
#include "tools/lists.h"
#include "tools/lists_update.h"
#include "tools/progress.h"
#include "tools/table.h"

enum { RENEW_AFTER_S = 7 * 24 * 3600 };

static error_t update_parse(int key, char *value, struct argp_state *state)
{
    struct update *update = state->input;

    switch (key) {
    case 'r':
        update->options.reason = value;
        return 0;
    case 'p':
        update->options.preview = true;
        return 0;
    case 's':
        update->options.allow_shrink = true;
        return 0;
    case 'i':
        update->insecure = true;
        return 0;
    case 'a':
        update->ca_file = value;
        return 0;
    case ARGP_KEY_ARGS:
        update->only = state->argv + state->next;
        update->only_count = (size_t)(state->argc - state->next);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option update_table[] = {
    {"preview", 'p', NULL, 0, "show what would change, and change nothing", 0},
    {"reason", 'r', "TEXT", 0, "why, for the change log", 0},
    {"allow-shrink", 's', NULL, 0,
     "let a category lose more than a fifth of its names; a sealed one never", 0},
    {"ca-file", 'a', "FILE", 0, "certificates to trust, instead of the machine's", 0},
    {"insecure", 'i', NULL, 0, "fetch over plain http as well", 0},
    {0},
};

static const struct argp update_argp = {
    .options = update_table,
    .parser = update_parse,
    .args_doc = "[CATEGORY...]",
    .doc = "Fetches the sources that the configuration names (`categories: … sources:`), of all "
           "categories "
           "or of some, and puts what came into force. What cannot be fetched stays as it is in "
           "force, and "
           "is said; so does a category that would lose more than a fifth of its names. The exit "
           "code is 1 then.\vServers are looked up at the upstreams of the "
           "configuration, so this works when the machine itself asks chalkgated. With "
           "`roles.requires-approval`, what chalkgated's own user fetches by a timer waits for "
           "nobody; a person's update that loses names waits for a second manager, as does one by "
           "an edited configuration that nobody has confirmed, or with --allow-shrink.",
};

static struct bl_fetch *fetch_find(struct update *update, const struct config_source *source)
{
    struct bl_fetch *fetch;

    for (size_t i = 0; i < update->fetch_count; i++)
        if (strcmp(update->fetches[i].url, source->location) == 0)
            return &update->fetches[i];
    fetch = &update->fetches[update->fetch_count++];
    *fetch = (struct bl_fetch){.url = source->location, .sha256 = source->sha256};
    return fetch;
}

/* What there is to do. False when memory is short. */
static bool subscriptions_find(struct update *update, const struct config *config)
{
    size_t room = 1;

    for (size_t i = 0; i < config->category_count; i++)
        room += config->categories[i].source_count;
    update->subscriptions = calloc(room, sizeof *update->subscriptions);
    update->fetches = calloc(room, sizeof *update->fetches);
    if (!update->subscriptions || !update->fetches)
        return false;
    for (size_t i = 0; i < config->category_count; i++) {
        const struct config_category *category = &config->categories[i];

        for (size_t k = 0; k < category->source_count && update_asks(update, category->name); k++) {
            const struct config_source *source = &category->sources[k];

            update->subscriptions[update->count++] = (struct subscription){
                .category = category,
                .source = source,
                .fetch = bl_is_url(source->location) ? fetch_find(update, source) : NULL};
        }
    }
    return true;
}

/* Beside the generations where that is ours, and not root in somebody else's; else a folder for
 * this once. */
static int cache_find(struct update *update, const char *state, struct bl_error *error)
{
    const char *parent = getenv("TMPDIR");
    struct stat status;

    (void)mkdir(state, 0755); /* as the import would */
    if (snprintf(update->cache, sizeof update->cache, "%s/lists/sources", state) <
            (int)sizeof update->cache &&
        access(state, W_OK) == 0 && stat(state, &status) == 0 && status.st_uid == geteuid())
        return 0;
    snprintf(update->cache, sizeof update->cache, "%s/chalkgate-update-XXXXXX",
             parent && *parent ? parent : "/var/tmp");
    if (!mkdtemp(update->cache))
        return bl_error_set(error, -errno, "no folder for downloads can be made, %s: %s",
                            update->cache, strerror(errno));
    update->cache_is_temporary = true;
    return 0;
}

static void cache_remove(const char *folder)
{
    DIR *entries = opendir(folder);
    const struct dirent *entry;

    while (entries && (entry = readdir(entries)))
        (void)unlinkat(dirfd(entries), entry->d_name, 0); /* "." and ".." it refuses */
    if (entries)
        closedir(entries);
    (void)rmdir(folder);
}

static void update_fini(struct update *update)
{
    if (update->cache_is_temporary)
        cache_remove(update->cache);
    update_forget_removed(update);
    free(update->subscriptions);
    free(update->fetches);
}

static const struct bl_source *base_source(const struct bl_store *base, const char *location,
                                           const char *category)
{
    for (unsigned i = 0; base && i < bl_store_source_count(base); i++) {
        const struct bl_source *source = bl_store_source(base, i);

        if (strcmp(source->location, location) == 0 &&
            strcmp(bl_store_category(base, source->category)->name, category) == 0)
            return source;
    }
    return NULL;
}

/* How the parts that a source had compare with what is in force. */
static void subscription_compare(struct subscription *subscription, const struct import *import,
                                 size_t first_part)
{
    subscription->same = true;
    subscription->known = false;
    for (size_t i = first_part; i < import->part_count; i++) {
        const struct import_part *part = &import->parts[i];
        const struct bl_source *known = base_source(import->base, part->location, part->category);

        subscription->known |= known != NULL;
        subscription->same &= known && strcmp(known->sha256, part->report.sha256) == 0;
    }
}

static void subscription_read(struct update *update, struct import *import,
                              struct subscription *subscription)
{
    const struct config_source *source = subscription->source;
    const struct import_source reading = {.location = source->location,
                                          .category = subscription->category->name,
                                          .format = source->format,
                                          .sha256 = source->sha256,
                                          .tier = source->tier,
                                          .action = source->action,
                                          .subscribed = true,
                                          .insecure = update->insecure,
                                          .offline = true,
                                          .cache = update->cache};

    const struct bl_error *held = update_held(update, subscription->category->name);
    size_t first_part = import->part_count;

    if (update->again && subscription->outcome == UPDATE_FAILED)
        return;
    subscription->outcome = UPDATE_FAILED; /* what was read before may not be there any more */
    if (held) {
        subscription->outcome = UPDATE_HELD;
        subscription->error = *held;
        return;
    }
    if (subscription->fetch && subscription->fetch->outcome == BL_FETCH_FAILED)
        subscription->error = subscription->fetch->error;
    else if (import_source(import, &reading, &subscription->error) == 0)
        subscription->outcome = UPDATE_READ;
    else if (subscription->fetch)
        bl_fetch_forget(update->cache,
                        source->location); /* or it would be "not changed" next time */
    if (subscription->outcome == UPDATE_READ)
        subscription_compare(subscription, import, first_part);
    update->failed += subscription->outcome == UPDATE_FAILED;
}

/* How soon a list is compiled anew though it is the same, so that it does not count as stale. */
static int64_t renew_after_s(const struct update *update, const struct bl_store *base,
                             const struct bl_source *known)
{
    struct list_state state;
    int64_t stale_s = 0;

    for (unsigned i = 0; i < bl_store_source_count(base); i++) {
        list_state_find(update->command->config, base, i, known->imported, &state);
        if (state.source == known && state.stale_from_s > 0)
            stale_s = state.stale_from_s - known->imported;
    }
    return stale_s > 0 && stale_s / 2 < RENEW_AFTER_S ? stale_s / 2 : RENEW_AFTER_S;
}

/* Whether compiling would make anything else than what is in force, or younger where that is old.
 */
static bool is_worth_it(const struct update *update, const struct import *import)
{
    int64_t now = (int64_t)time(NULL);

    for (size_t i = 0; i < import->part_count; i++) {
        const struct import_part *part = &import->parts[i];
        const struct bl_source *known = base_source(import->base, part->location, part->category);

        if (!known || strcmp(known->sha256, part->report.sha256) != 0 || !known->subscribed ||
            now - known->imported > renew_after_s(update, import->base, known))
            return true;
    }
    return false;
}

static const char *outcome_text(const struct subscription *subscription)
{
    const struct bl_fetch *fetch = subscription->fetch;

    if (subscription->outcome == UPDATE_FAILED)
        return "failed";
    if (subscription->outcome == UPDATE_HELD)
        return "held back";
    if (!fetch)
        return "read";
    /* A preview may have fetched before what was not in force then, and is not now. */
    if (fetch->outcome == BL_FETCH_SAME && subscription->same)
        return "not changed";
    return subscription->known ? "fetched" : "new";
}

static json_t *downloads_json(const struct update *update)
{
    json_t *array = json_array();

    for (size_t i = 0; i < update->count; i++) {
        const struct subscription *subscription = &update->subscriptions[i];

        json_array_append_new(
            array,
            json_pack("{s:s, s:s, s:s, s:I, s:s}", "location", subscription->source->location,
                      "category", subscription->category->name, "outcome",
                      outcome_text(subscription), "bytes",
                      (json_int_t)(subscription->fetch ? subscription->fetch->bytes : 0), "error",
                      subscription->error.text));
    }
    return array;
}

static void outcomes_print(const struct update *update)
{
    struct table *table = table_create();

    table_column(table, "Category", TABLE_LEFT);
    table_column(table, "Source", TABLE_LEFT);
    table_column(table, "Download", TABLE_LEFT);
    for (size_t i = 0; i < update->count; i++) {
        const struct subscription *subscription = &update->subscriptions[i];

        table_cell(table, "%s", subscription->category->name);
        table_cell(table, "%s", subscription->source->location);
        table_cell(table, "%s", outcome_text(subscription));
    }
    table_print(table, stdout);
    putchar('\n');
}

/* One sentence for each that failed; what there is of it stays. */
static void failures_tell(const struct update *update)
{
    for (size_t i = 0; i < update->count; i++) {
        const struct subscription *subscription = &update->subscriptions[i];

        if (subscription->outcome == UPDATE_FAILED)
            command_fail(EXIT_FAILED, "%s. What is in force of it in %s stays as it is",
                         subscription->error.text, subscription->category->name);
    }
    if (update->failed > 0)
        command_fail(EXIT_FAILED,
                     "%zu of %zu sources failed; the next `chalkgate lists update` tries again",
                     update->failed, update->count);
}

/* Reads everything and, where there is news, compiles it. */
static enum exit_code update_read(struct update *update, struct import **out_import)
{
    enum exit_code code = import_open(update->command, &update->options, out_import);
    struct import *import = *out_import;
    unsigned dropped;

    if (code != EXIT_DONE)
        return code;
    for (size_t i = 0; i < update->count; i++)
        subscription_read(update, import, &update->subscriptions[i]);
    dropped = update_drop_removed(update, import);
    return dropped > 0 || is_worth_it(update, import) ? import_stage(import) : EXIT_DONE;
}

static enum exit_code update_finish(struct update *update, struct import *import)
{
    if (!update->command->json)
        outcomes_print(update);
    update_tell_removed(update, import);
    if (import->staged) {
        import->downloads = downloads_json(update);
        return import_finish(import);
    }
    if (update->command->json)
        json_print(json_pack("{s:b, s:I, s:o}", "changed", false, "generation",
                             (json_int_t)(import->base ? bl_store_generation(import->base) : 0),
                             "downloads", downloads_json(update)));
    else if (update->failed < update->count)
        puts(update->failed || update->held ? "In all else, nothing has changed."
                                            : "The lists in force are up to date.");
    return EXIT_DONE;
}

static enum exit_code update_import(struct update *update)
{
    struct import *import = NULL;
    enum exit_code code = update_read(update, &import);

    /* Twice at most: what is taken out stays, then all of the category. */
    while (code == EXIT_DONE && import->staged && update_find_refused(update, import) > 0) {
        import_close(import);
        import = NULL;
        update->again = true;
        code = update_read(update, &import);
    }
    if (code == EXIT_DONE)
        code = update_finish(update, import);
    if (import) {
        failures_tell(update);
        update_tell_held(update);
    }
    import_close(import);
    return code == EXIT_DONE && update->failed + update->held > 0 ? EXIT_FAILED : code;
}

static enum exit_code update_all(struct update *update, const char *state)
{
    struct import_bootstrap bootstrap;
    struct bl_fetch_options options = {
        .cache = update->cache,
        .bootstrap = import_bootstrap_find(update->command->config, &bootstrap),
        .ca_file = update->ca_file,
        .insecure = update->insecure,
        .progress = progress_fetching,
        .user = update->fetches};
    struct bl_error error = {""};
    int rc = cache_find(update, state, &error);

    if (rc == 0)
        rc = bl_fetch_all(update->fetches, update->fetch_count, &options, &error);
    progress_clear();
    return rc == 0 ? update_import(update) : command_fail(EXIT_FAILED, "%s", error.text);
}

enum exit_code lists_update_run(struct command *command, int argc, char **argv)
{
    struct update update = {.command = command,
                            .options = {.refresh = true, .reason = "lists update"}};
    int failed = verb_parse(&update_argp, argc, argv, &update);
    const struct config *config = failed ? NULL : command_config(command);
    const char *state = config ? command_state(command) : NULL;
    enum exit_code code;

    if (failed)
        return (enum exit_code)(failed - 1);
    if (!state)
        return EXIT_USAGE;
    for (size_t i = 0; i < update.only_count; i++)
        if (config_category_find(config, update.only[i]) < 0)
            return command_fail(EXIT_USAGE, "%s has no category \"%s\"", config->path,
                                update.only[i]);
    if (!subscriptions_find(&update, config))
        code = command_fail(EXIT_FAILED, "there is not enough memory");
    else if (update.count == 0 && !update_has_removed(state, config))
        code = command_fail(EXIT_NOTHING,
                            "%s names no sources to fetch; they stand under `categories: NAME: "
                            "sources:`, and `chalkgate lists catalogue` shows some",
                            config->path);
    else
        code = update_all(&update, state);
    update_fini(&update);
    return code;
}

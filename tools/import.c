#include "tools/import.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "blocklists/guard.h"
#include "blocklists/lists.h"
#include "resolver/policy/held.h"
#include "tools/act_here.h"
#include "tools/ask.h"
#include "tools/lists_here.h"
#include "tools/progress.h"

static void out_of_memory(void)
{
    exit((int)command_fail(EXIT_FAILED, "there is not enough memory"));
}

static char *copy(const char *text)
{
    char *copied = strdup(text);

    if (!copied)
        out_of_memory();
    return copied;
}

/* Who it is: the person who signed on, also behind sudo. */
static void actor_find(char *actor, size_t size)
{
    unsigned login = (unsigned)-1;
    FILE *file = fopen("/proc/self/loginuid", "re");
    const struct passwd *entry;

    if (file) {
        if (fscanf(file, "%u", &login) != 1)
            login = (unsigned)-1;
        fclose(file);
    }
    entry = getpwuid(login == (unsigned)-1 ? getuid() : login);
    if (entry)
        snprintf(actor, size, "%s", entry->pw_name);
    else
        snprintf(actor, size, "%u", login == (unsigned)-1 ? (unsigned)getuid() : login);
}

/* Where runs and the result are written: beside the generations where that is ours, so that it is
 * the same disk; else where temporary files go. /tmp is often memory, and lists are large. */
static const char *folder_find(const char *state, char *path, size_t size)
{
    const char *temporary = getenv("TMPDIR");

    if ((size_t)snprintf(path, size, "%s/lists", state) < size) {
        act_owner_enter(state);
        if (access(state, W_OK) == 0)
            (void)mkdir(path, 0755);
        act_owner_leave();
        if (access(path, W_OK) == 0)
            return path;
    }
    if (temporary && *temporary)
        return temporary;
    return access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
}

static enum exit_code base_open(struct import *import, const char *state)
{
    struct bl_error error = {""};
    char path[BL_PATH_MAX];
    uint64_t generation;
    int rc = bl_lists_current(state, &generation, path, &error);

    if (rc == -ENOENT)
        return EXIT_DONE;
    if (rc == 0)
        rc = bl_store_open(path, &import->base, &error);
    return rc == 0 ? EXIT_DONE
                   : command_fail(
                         EXIT_FAILED,
                         "%s. `chalkgate lists rollback` puts an older one in force; where none "
                         "is kept, remove %s/lists/current and import anew",
                         error.text, state);
}

/* What cannot be adopted need not be read and compiled first, which may take minutes. Where a
 * daemon runs, it is the one to know. */
static enum exit_code folder_check(struct command *command, const struct import_options *options,
                                   const char *state)
{
    struct statvfs disk;

    if (options->preview || statvfs(state, &disk) < 0 || !(disk.f_flag & ST_RDONLY) ||
        ask_is_answered(command))
        return EXIT_DONE;
    return command_fail(EXIT_FAILED,
                        "%s is on a file system that can only be read, so nothing was imported: "
                        "please have it mounted for writing. --preview works all the same",
                        state);
}

const char *const *import_bootstrap_find(const struct config *config,
                                         struct import_bootstrap *out_bootstrap)
{
    size_t count = 0;

    for (; count < config->bootstrap_count && count < IMPORT_BOOTSTRAP_MAX; count++)
        out_bootstrap->servers[count] =
            address_text_port(&config->bootstrap[count], out_bootstrap->text[count]);
    for (size_t i = 0;
         !config->bootstrap_count && i < config->upstream_count && count < IMPORT_BOOTSTRAP_MAX;
         i++) {
        if (config->upstreams[i].transport == TRANSPORT_TLS || config->upstreams[i].host)
            continue;
        out_bootstrap->servers[count] =
            address_text_port(&config->upstreams[i].address, out_bootstrap->text[count]);
        count++;
    }
    out_bootstrap->servers[count] = NULL;
    return count > 0 ? out_bootstrap->servers : NULL;
}

enum exit_code import_open(struct command *command, const struct import_options *options,
                           struct import **out_import)
{
    const struct config *config = command_config(command);
    const char *state = config ? command_state(command) : NULL;
    struct bl_compile_options compile = {.now = (int64_t)time(NULL)};
    struct bl_error error = {""};
    struct import *import;
    char path[BL_PATH_MAX];
    enum exit_code code;

    if (!state)
        return EXIT_USAGE;
    code = folder_check(command, options, state);
    if (code != EXIT_DONE)
        return code;
    import = calloc(1, sizeof *import);
    if (!import)
        out_of_memory();
    import->command = command;
    import->options = *options;
    import->fd = -1;
    actor_find(import->actor, sizeof import->actor);
    /* A disk quota or limit is an error to tell, not a signal to die of. */
    signal(SIGXFSZ, SIG_IGN);
    import->protect = import_protect(config);
    if (!import->protect)
        out_of_memory();
    code = base_open(import, state);
    compile.base = import->base;
    compile.folder = folder_find(state, path, sizeof path);
    compile.progress = progress_compiling;
    if (code == EXIT_DONE && bl_compile_open(&compile, &import->compile, &error) < 0)
        code = command_fail(EXIT_FAILED, "%s", error.text);
    if (code != EXIT_DONE) {
        import_close(import);
        return code;
    }
    *out_import = import;
    return EXIT_DONE;
}

void import_close(struct import *import)
{
    if (!import)
        return;
    for (size_t i = 0; i < import->part_count; i++) {
        free(import->parts[i].location);
        free(import->parts[i].category);
    }
    for (size_t i = 0; i < import->skipped_count; i++) {
        free(import->skipped[i].location);
        free(import->skipped[i].reason);
    }
    free(import->parts);
    free(import->skipped);
    free(import->changes);
    import_samples_destroy(import->samples);
    json_decref(import->downloads);
    json_decref(import->waiting);
    if (import->fd >= 0)
        close(import->fd);
    bl_compile_close(import->compile);
    bl_protect_destroy(import->protect);
    bl_store_close(import->staged);
    bl_store_close(import->base);
    free(import);
}

static struct import_part *part_add(struct import *import, const char *location,
                                    const char *category)
{
    struct import_part *part;

    if (import->part_count == import->part_room) {
        import->part_room = import->part_room ? 2 * import->part_room : 16;
        import->parts = realloc(import->parts, import->part_room * sizeof *import->parts);
        if (!import->parts)
            out_of_memory();
    }
    part = &import->parts[import->part_count++];
    memset(part, 0, sizeof *part);
    part->location = copy(location);
    part->category = copy(category);
    return part;
}

static void part_skipped(void *user, const char *location, const char *reason)
{
    struct import *import = user;
    struct import_skipped *skipped;

    if (import->skipped_count == import->skipped_room) {
        import->skipped_room = import->skipped_room ? 2 * import->skipped_room : 64;
        import->skipped = realloc(import->skipped, import->skipped_room * sizeof *import->skipped);
        if (!import->skipped)
            out_of_memory();
    }
    skipped = &import->skipped[import->skipped_count++];
    skipped->location = copy(location);
    skipped->reason = copy(reason);
}

static bool is_category(void *user, const char *name)
{
    return config_category_find(user, name) >= 0;
}

/* What the protected names cost goes from "taken" to "not used". */
static void refusals_note(struct import_part *part, const struct bl_protect_filter *filter)
{
    struct bl_read_report *report = &part->report;

    part->refused = filter->refused;
    part->refused_sample_count = filter->sample_count;
    memcpy(part->refused_samples, filter->samples, sizeof part->refused_samples);
    report->taken -= filter->refused;
    report->unused += filter->refused;
    if (filter->refused)
        bl_reasons_note(&report->unused_reasons, "it would deny a protected name", filter->refused);
}

/* Says where: an archive as a whole, as it is refused, has said so already. */
static int fault_place(const char *location, int code, struct bl_error *error)
{
    size_t len = strcspn(location, "#");

    return len > 1 && strncmp(error->text, location, len) == 0
               ? code
               : bl_error_wrap(error, code, "%s", location);
}

static int part_read(void *user, const struct bl_part *list, const struct bl_input *input,
                     struct bl_error *error)
{
    struct import *import = user;
    const struct import_source *source = import->source;
    struct bl_read_options options = {
        .format = source->format,
        .csv_column = source->csv_column,
        .action = source->action == BL_ALLOW ? BL_ALLOW : list->action,
        .allow_tld = source->allow_tld,
        .forced = source->forced,
    };
    struct bl_compile_source begun = {.location = list->location,
                                      .category = list->category,
                                      .licence = list->licence,
                                      .actor = import->actor,
                                      .reason = import->options.reason,
                                      .tier = source->tier,
                                      .action = options.action,
                                      .subscribed = source->subscribed};
    struct progress_input counted = {.inner = input, .location = list->location};
    struct bl_input progress = {progress_read, &counted};
    struct bl_protect_filter filter = {.protect = import->protect};
    struct bl_sink sink = bl_compile_sink(import->compile);
    struct import_part *part;
    int rc;

    if (!list->category)
        return bl_error_set(error, -EINVAL,
                            "%s: which category is it of? Please name it with --category",
                            list->location);
    if (import->options.replace)
        bl_compile_drop(import->compile, list->category, NULL);
    rc = bl_compile_source(import->compile, &begun, error);
    if (rc < 0)
        return rc;
    part = part_add(import, list->location, list->category);
    if (!source->forced) {
        filter.next = sink;
        sink = bl_protect_sink(&filter);
    }
    rc = bl_read(&progress, &options, &sink, &part->report, error);
    progress_clear();
    refusals_note(part, &filter);
    bl_compile_source_end(import->compile, &part->report);
    return rc < 0 ? fault_place(list->location, rc, error) : 0;
}

/* A source without one good line is not an empty list but a wrong one: a page that says "not
 * found", say. */
static int source_check(const struct import *import, size_t first_part,
                        const struct import_source *source, struct bl_error *error)
{
    uint64_t read = 0, taken = 0, malformed = 0;
    const struct bl_sample *sample = NULL;

    for (size_t i = first_part; i < import->part_count; i++) {
        const struct bl_read_report *report = &import->parts[i].report;

        read += report->read;
        taken += report->taken;
        malformed += report->malformed;
        if (!sample && report->malformed_sample_count > 0)
            sample = &report->malformed_samples[0];
    }
    if (taken > 0)
        return 0;
    if (import->part_count == first_part)
        return bl_error_set(error, -ENODATA, "%s has no list in it", source->location);
    if (sample)
        return bl_error_set(error, -ENODATA,
                            "%s has no usable line, and %llu malformed ones; line %llu, \"%s\": %s",
                            source->location, (unsigned long long)malformed,
                            (unsigned long long)sample->line, sample->text, sample->reason);
    return bl_error_set(error, -ENODATA,
                        read ? "%s has no usable line" : "%s is empty, or has comments only",
                        source->location);
}

int import_source(struct import *import, const struct import_source *source, struct bl_error *error)
{
    const struct bl_source_visitor visitor = {import, part_read, part_skipped};
    struct bl_source_options options = {
        .sha256 = source->sha256,
        .category = source->category,
        .has_category = is_category,
        .user = command_config(import->command),
        .insecure = source->insecure,
        .white_lists = source->action == BL_ALLOW,
        .cache = source->cache,
        .offline = source->offline,
        .bootstrap = import_bootstrap_find(import->command->config, &import->bootstrap),
        .ca_file = source->ca_file};
    struct bl_compile_mark mark = bl_compile_mark(import->compile);
    size_t first_part = import->part_count;
    /* The same list under another spelling of its path is the same source. */
    char *path = realpath(source->location, NULL);
    int rc;

    import->source = source;
    rc = bl_source_walk(path ? path : source->location, &options, &visitor, error);
    free(path);
    if (rc == 0)
        rc = source_check(import, first_part, source, error);
    if (rc == 0)
        return 0;
    bl_compile_rewind(import->compile, mark);
    while (import->part_count > first_part) {
        import->part_count--;
        free(import->parts[import->part_count].location);
        free(import->parts[import->part_count].category);
    }
    return rc;
}

int import_judge(const struct import *import, const struct bl_diff_count *change,
                 struct bl_error *error)
{
    struct bl_guard guard;
    int rc = config_guard(import->command->config, import->options.allow_shrink, &guard);

    if (rc < 0)
        out_of_memory();
    rc = held_most_read(command_state(import->command), &guard, error);
    if (rc == 0)
        rc = bl_guard_judge(&guard, change ? change : import->changes,
                            change ? 1 : import->change_count, error);
    bl_guard_fini(&guard);
    return rc;
}

enum exit_code import_stage(struct import *import)
{
    struct bl_compile_result result;
    struct bl_error error = {""};
    char path[64];
    int rc = bl_compile_finish(import->compile, &import->fd, &result, &error);

    progress_clear();
    if (import->options.preview)
        import->samples = import_samples_create();
    if (rc == 0) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", import->fd);
        rc = bl_store_open(path, &import->staged, &error);
    }
    if (rc == 0)
        rc = bl_diff_count(import->base, import->staged,
                           import->samples ? import_samples_note : NULL, import->samples,
                           &import->changes, &import->change_count, &error);
    return rc == 0 ? EXIT_DONE
                   : command_fail(EXIT_FAILED, "%s. What is in force stays as it is", error.text);
}

static enum exit_code adopt_here(struct import *import, json_t **out_reply,
                                 uint64_t *out_generation, struct bl_error *error)
{
    const struct lists_set set = {.fd = import->fd,
                                  .allow_shrink = import->options.allow_shrink,
                                  .is_refresh = import->options.refresh,
                                  .reason = import->options.reason};
    int rc = lists_set_here(import->command, &set, out_generation, out_reply, error);

    return rc >= 0 ? EXIT_DONE : rc == -EPERM ? EXIT_NOT_ALLOWED : EXIT_FAILED;
}

static enum exit_code adopt(struct import *import, struct bl_error *error)
{
    json_t *reply = NULL;
    json_t *arguments =
        json_pack("{s:s*, s:b, s:b}", "reason", import->options.reason, "allow-shrink",
                  import->options.allow_shrink, "refresh", import->options.refresh);
    uint64_t generation = 0;
    enum exit_code code =
        ask_daemon(import->command, "lists-adopt", arguments, import->fd, &reply, error);

    if (code == EXIT_NO_DAEMON)
        code = adopt_here(import, &reply, &generation, error);
    else if (code == EXIT_DONE)
        generation = (uint64_t)json_integer_value(json_object_get(reply, "generation"));
    if (code != EXIT_DONE)
        return code;
    import->waiting = json_incref(json_object_get(reply, "grant"));
    import->generation = import->waiting ? 0 : generation;
    json_decref(reply);
    return code;
}

/* Says why not, and what to do about it. */
static enum exit_code refusal_tell(const struct import *import, enum exit_code code,
                                   const char *refusal)
{
    return command_fail(code, "%s. What is in force stays as it is%s", refusal,
                        import->refused && !import->options.preview
                            ? "; the same command with --preview shows which names would go"
                            : "");
}

enum exit_code import_finish(struct import *import)
{
    struct bl_error refusal = {""};
    enum exit_code code = import->staged ? EXIT_DONE : import_stage(import);

    if (code != EXIT_DONE)
        return code;
    import->refused = import_judge(import, NULL, &refusal) < 0;
    if (import->refused)
        code = EXIT_NOT_ALLOWED;
    else if (!import->options.preview)
        code = adopt(import, &refusal);
    import_show(import, import->samples);
    return code == EXIT_DONE ? code : refusal_tell(import, code, refusal.text);
}

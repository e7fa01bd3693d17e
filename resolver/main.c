/* chalkgated: reads the configuration, binds its ports, becomes an ordinary user, and answers.
 *
 * The order matters: ports and the state folder while there may be privileges; then the drop; only
 * then are files read that others wrote (lists, journals) and packets parsed. Whatever is missing
 * at the start stops the start with one sentence: a filter that silently filters nothing is the
 * worst outcome.
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/lists.h"
#include "resolver/base/log.h"
#include "resolver/config/config.h"
#include "resolver/control/advice.h"
#include "resolver/control/alert_runner.h"
#include "resolver/control/allowed.h"
#include "resolver/control/approval.h"
#include "resolver/control/control.h"
#include "resolver/control/daemon.h"
#include "resolver/control/export_runner.h"
#include "resolver/control/keyring.h"
#include "resolver/control/lists_word.h"
#include "resolver/control/mender.h"
#include "resolver/control/metrics.h"
#include "resolver/control/notify.h"
#include "resolver/control/privileges.h"
#include "resolver/control/pulse.h"
#include "resolver/control/readers.h"
#include "resolver/control/rules.h"
#include "resolver/control/timekeeper.h"
#include "resolver/control/upkeep.h"
#include "resolver/control/watch.h"
#include "resolver/denials/alert.h"
#include "resolver/denials/journal.h"
#include "resolver/denials/writer.h"
#include "resolver/net/server.h"

enum { EXIT_FINE = 0, EXIT_COULD_NOT_RUN = 1, EXIT_BAD_USAGE = 2 };

struct options {
    const char *config_path;
    bool check, print, keys;
};

/* What a run consists of, in the order in which it is made; run_end() takes it apart from the end.
 */
struct run {
    struct daemon daemon;
    struct config *config; /* until a world has taken it */
    int lock_fd;
    bool has_world;
    struct journal **journals;
    unsigned journal_count;
    struct control *control;
    struct metrics *metrics;
    struct alerts *alerts;
    struct denials_observer observer; /* of the writer: the alerts */
    struct upkeep *upkeep;
    struct pulse *pulse;
    struct mender *mender;
    int export_fd; /* the same for those that bring denials to collectors */
    int runner_fd; /* its closing ends the process that runs the alerts' command */
    sigset_t signals;
};

static error_t option_parse(int key, char *value, struct argp_state *state)
{
    struct options *options = state->input;

    switch (key) {
    case 'c':
        options->config_path = value;
        return 0;
    case 'k':
        options->check = true;
        return 0;
    case 'p':
        options->print = true;
        return 0;
    case 'y':
        options->keys = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is not understood; options begin with --", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"config", 'c', "FILE", 0,
     "the configuration; otherwise $CHALKGATE_CONFIG, /etc/chalkgate/config.yaml, ./config.yaml",
     0},
    {"check", 'k', NULL, 0, "say whether the configuration is good, and end", 0},
    {"print", 'p', NULL, 0,
     "print the configuration in effect, defaults included, as YAML, and end", 0},
    {"keys", 'y', NULL, 0,
     "list every key of the configuration, with type, range, default and meaning, and end", 0},
    {0},
};

static const struct argp argp = {
    .options = option_table,
    .parser = option_parse,
    .doc =
        "The Chalkgate resolver: answers the school's devices, refuses what the lists and the "
        "policy of their group deny, and keeps a record of it."
        "\vSIGHUP reloads the configuration and the lists; a faulty file changes nothing. SIGTERM "
        "answers what is in flight and ends. Exit status: 0 fine, 1 could not run, 2 usage or "
        "configuration.",
};

static const char *config_find(const struct options *options)
{
    const char *path = options->config_path ? options->config_path : getenv("CHALKGATE_CONFIG");

    if (path && *path)
        return path;
    if (access("/etc/chalkgate/config.yaml", F_OK) == 0)
        return "/etc/chalkgate/config.yaml";
    return "config.yaml";
}

static int config_read(const char *path, struct config **out_config)
{
    struct config_faults faults = {0};
    int code = config_load(path, out_config, &faults);

    for (size_t i = 0; i < faults.count; i++)
        fprintf(stderr, "chalkgated: %s\n", faults.items[i].text);
    if (code < 0 && faults.count == 0)
        fprintf(stderr, "chalkgated: %s: %s\n", path, strerror(-code));
    config_faults_free(&faults);
    return code;
}

/* Every connection and every upstream port is a descriptor; the soft limit is often 1024. */
static void descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Signals are taken by the main thread one at a time; those of the terminal's and broken pipes'
 * kind that we have no use for are ignored. */
static void signals_prepare(sigset_t *signals)
{
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(signals);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* With whatever privileges we were given. */
static int start_privileged(struct run *run, struct bl_error *error)
{
    struct daemon *daemon = &run->daemon;
    struct config *config = run->config;
    int code;

    umask(0022);
    daemon->state = realpath(config->state, NULL);
    if (!daemon->state)
        daemon->state = strdup(config->state);
    daemon->user = config->user ? strdup(config->user) : NULL;
    if (!daemon->state || (config->user && !daemon->user))
        return bl_error_set(error, -ENOMEM, "out of memory");
    config->state = daemon->state; /* by one name everywhere, so that equal ones compare equal */
    code = bl_lists_lock(daemon->state, &run->lock_fd, error);
    if (code == -EBUSY)
        bl_error_set(
            error, code,
            "another chalkgated, or a command that changes the lists, has the state folder %s; "
            "please wait for it or stop it, or give this one a `state` of its own",
            daemon->state);
    if (code == 0)
        code = listeners_open(config, &daemon->listeners, error);
    if (code == 0)
        code = privileges_own(daemon->state, config->user, error);
    if (code == 0)
        code = privileges_drop(config->user, error);
    return code;
}

static int journals_open(struct run *run, unsigned count, struct bl_error *error)
{
    int code = 0;

    run->journals = calloc(count, sizeof(struct journal *));
    if (!run->journals)
        return bl_error_set(error, -ENOMEM, "out of memory");
    for (; run->journal_count < count && code == 0; run->journal_count += code == 0)
        code = journal_open(run->daemon.state, run->journal_count,
                            &run->journals[run->journal_count], error);
    return code;
}

static int world_open(struct run *run, struct bl_error *error)
{
    struct config *config = run->config;
    struct actor actor = rules_actor_system(NULL);
    struct rules_change change = {.actor = &actor, .action = "start", .reason = ""};
    struct world *world;
    int code;

    run->config = NULL;
    timekeeper_begin(&run->daemon);
    rules_open(&run->daemon);
    mender_prepare(&run->daemon, config);
    config = approval_begin(&run->daemon, config);
    lists_word_resume(&run->daemon, config);
    code = rules_world(&run->daemon, config, NULL, &change, &world, error);
    if (code == -ENOENT)
        return bl_error_set(
            error, code,
            "no lists have been imported into %s yet, so nothing would be filtered; "
            "please run `chalkgate lists import SOURCE` first",
            run->daemon.state);
    if (code < 0)
        return code;
    daemon_init(&run->daemon, world);
    run->has_world = true;
    approval_keep(&run->daemon, world->config);
    rules_find_lists(&run->daemon, bl_store_generation(world->store));
    return 0;
}

/* The runners are forked while programs may still be started and no thread is there. */
static int alerts_start(struct run *run, struct bl_error *error)
{
    int code = alerts_create(run->daemon.state, &run->alerts, error);

    if (code < 0)
        return code;
    run->daemon.alerts = run->alerts;
    run->observer = (struct denials_observer){.each = alerts_meet, .user = run->alerts};
    run->runner_fd = alert_runner_start(run->daemon.state, run->daemon.config_path, error);
    if (run->runner_fd < 0)
        return run->runner_fd;
    run->export_fd = export_runner_start(run->daemon.state, run->daemon.config_path, error);
    return run->export_fd < 0 ? run->export_fd : 0;
}

static int start_unprivileged(struct run *run, struct bl_error *error)
{
    struct daemon *daemon = &run->daemon;
    unsigned workers = run->config->workers; /* as those who listen; the world's may be others */
    int code = watch_open(daemon, run->config, error);

    if (code == 0)
        code = world_open(run, error);

    if (code == 0)
        code = journals_open(run, workers, error);
    if (code == 0)
        code = allowed_create(daemon->state, run->journal_count, &daemon->allowed, error);
    if (code == 0)
        code = allowed_settle(daemon->allowed, daemon->world->config, error);
    if (code == 0)
        code = keyring_create(daemon->state, run->journal_count, &daemon->keyring, error);
    if (code == 0)
        code = keyring_settle(daemon->keyring, NULL, daemon->world->config,
                              daemon->started_wall_ms / 1000, error);
    if (code == 0) {
        struct server_records records = {.journals = run->journals};
        allowed_records(daemon->allowed, &records);
        records.pseudonyms = keyring_pseudonyms(daemon->keyring);
        code = server_create(daemon->listeners, daemon->world, &records, &daemon->server, error);
    }
    if (code == 0)
        code = control_open(daemon, &run->control, error);
    if (code == 0)
        code = alerts_start(run, error);
    if (code == 0)
        readers_admit(daemon->state, daemon->world->config);
    if (code == 0)
        code = privileges_confine(error);
    if (code == 0) {
        struct denials_writer_options options = {.state = daemon->state,
                                                 .journals = run->journals,
                                                 .journal_count = run->journal_count,
                                                 .observers = &run->observer,
                                                 .observer_count = 1,
                                                 .namer = watch_namer(daemon)};
        code = denials_writer_start(&options, &daemon->writer, error);
    }
    if (code == 0)
        code = upkeep_start(daemon, run->alerts, &run->upkeep, error);
    if (code == 0)
        code = mender_start(daemon, &run->mender, error);
    if (code == 0)
        code = watch_start(daemon->watch, error);
    if (code == 0)
        code = server_start(daemon->server, error);
    if (code == 0)
        code = control_start(run->control, error);
    if (code == 0)
        code = metrics_start(daemon, &run->metrics, error);
    if (code == 0)
        code = pulse_start(daemon, &run->pulse, error);
    return code;
}

static void run_end(struct run *run)
{
    pulse_stop(run->pulse);
    mender_stop(run->mender);
    metrics_stop(run->metrics);
    upkeep_stop(run->upkeep);
    control_close(run->control);
    watch_stop(run->daemon.watch);
    server_destroy(run->daemon.server);
    keyring_free(run->daemon.keyring);
    allowed_end(run->daemon.allowed, run->has_world ? run->daemon.world->config : NULL);
    denials_writer_stop(run->daemon.writer);
    alerts_free(run->alerts);
    if (run->runner_fd >= 0)
        close(run->runner_fd);
    if (run->export_fd >= 0)
        close(run->export_fd);
    for (unsigned i = 0; i < run->journal_count; i++)
        journal_close(run->journals[i]);
    free(run->journals);
    listeners_close(run->daemon.listeners);
    config_free(run->config);
    rules_close(&run->daemon);
    watch_close(run->daemon.watch);
    if (run->has_world) {
        daemon_fini(&run->daemon);
    } else {
        free(run->daemon.state);
        free(run->daemon.user);
    }
    if (run->lock_fd >= 0)
        close(run->lock_fd);
}

/* In a few words what is in force, for the log and `systemctl status`. */
static void force_describe(const struct world *world, char *text, size_t room)
{
    uint64_t names = bl_store_name_count(world->store);
    unsigned workers = world->config->workers;

    snprintf(text, room, "%llu name%s on the lists, generation %llu, %u worker%s",
             (unsigned long long)names, names == 1 ? "" : "s",
             (unsigned long long)bl_store_generation(world->store), workers,
             workers == 1 ? "" : "s");
}

static void ready_tell(struct run *run)
{
    struct world *world = daemon_world(&run->daemon);
    char status[256], address[ADDRESS_TEXT_MAX];

    for (size_t i = 0; listeners_fit_addresses(run->daemon.listeners, world->config) &&
                       i < world->config->listen_count;
         i++)
        log_notice("answering on %s", address_text_port(&world->config->listen[i], address));
    json_t *advice = advice_of(&run->daemon, world);
    advice_log(advice);
    json_decref(advice);
    force_describe(world, status, sizeof status);
    log_notice("ready: %s", status);
    notify_ready(status);
    world_unref(world);
}

static void reload(struct run *run)
{
    struct actor actor = rules_actor_system("root"); /* who else could send us a signal? */
    struct rules_change change = {.actor = &actor, .action = "reload", .reason = "SIGHUP"};
    json_t *reply = json_object();
    struct bl_error error;
    struct world *world;
    char status[BL_ERROR_MAX + 32], force[256];
    int code;

    notify_reloading();
    pthread_mutex_lock(&run->daemon.change);
    code = daemon_reload(&run->daemon, &change, reply, &error); /* it logs what was wrong */
    json_decref(reply);
    pthread_mutex_unlock(&run->daemon.change);
    world = daemon_world(&run->daemon);
    force_describe(world, force, sizeof force);
    world_unref(world);
    if (code < 0) /* what ran runs on */
        snprintf(status, sizeof status, "reload refused: %s", error.text);
    notify_ready(code < 0 ? status : force);
}

static void serve(struct run *run)
{
    struct actor actor = rules_actor_system(NULL);
    int number;

    for (;;) {
        number = sigwaitinfo(&run->signals, NULL);
        if (number == SIGHUP)
            reload(run);
        else if (number > 0)
            break;
    }
    log_notice("ending: questions in flight are still answered");
    pthread_mutex_lock(&run->daemon.change);
    rules_note(&run->daemon, &actor, "stop", "", NULL, NULL,
               number == SIGINT ? "SIGINT" : "SIGTERM");
    pthread_mutex_unlock(&run->daemon.change);
    notify_stopping();
}

static int run_daemon(const char *config_path, struct config *config)
{
    struct run run = {.config = config,
                      .lock_fd = -1,
                      .export_fd = -1,
                      .runner_fd = -1,
                      .daemon = {.config_path = config_path,
                                 .change = PTHREAD_MUTEX_INITIALIZER,
                                 .lock = PTHREAD_MUTEX_INITIALIZER}};
    struct bl_error error = {0};
    int code;

    /* Days of the record begin at the school's midnight, wherever the machine thinks it is. */
    if (config->calendar.time_zone != NULL)
        setenv("TZ", config->calendar.time_zone, 1);
    log_open("chalkgated", (enum log_level)config->log_level);
    descriptors_raise();
    signals_prepare(&run.signals);
    notify_open();
    code = start_privileged(&run, &error);
    if (code == 0)
        code = start_unprivileged(&run, &error);
    if (code == 0) {
        ready_tell(&run);
        serve(&run);
    } else {
        log_error("%s", error.text);
    }
    run_end(&run);
    return code < 0 ? EXIT_COULD_NOT_RUN : EXIT_FINE;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct config *config;
    const char *path;

    argp_program_version = "chalkgated " CHALKGATE_VERSION;
    argp_err_exit_status = EXIT_BAD_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
        return EXIT_BAD_USAGE;
    if (options.keys)
        return config_keys_print(stdout) < 0 ? EXIT_COULD_NOT_RUN : EXIT_FINE;
    path = config_find(&options);
    if (config_read(path, &config) < 0)
        return EXIT_BAD_USAGE;
    if (!options.check && !options.print)
        return run_daemon(path, config);
    if (options.print && config_print(config, stdout) < 0) {
        config_free(config);
        return EXIT_COULD_NOT_RUN;
    }
    if (options.check && !options.print) {
        advice_check(config);
        printf("%s is good: %zu group%s, %zu %s\n", path, config->group_count,
               config->group_count == 1 ? "" : "s", config->category_count,
               config->category_count == 1 ? "category" : "categories");
    }
    config_free(config);
    return EXIT_FINE;
}

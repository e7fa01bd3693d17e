/* What a question costs without sockets, path by path: nanoseconds, heap calls, instructions.
 *
 *   bench-query [--names N] [--groups N] [--clients N] [--path NAME] [--workers N] [--json]
 *   bench-query --once COUNT --path NAME     warms up, then does the path COUNT times inside
 *                                            measured_run(), for callgrind's --toggle-collect
 *
 * Every question is another name, client and group, drawn at random from those there are, so that
 * what is measured at a million names is a look-up in a million names. "world" is what a reload
 * costs: configuration, policy and store made ready, in nanoseconds and (world-octets) on the heap.
 * With --workers, so many threads do the same path at once on one world, each as a worker of the
 * resolver does; the nanoseconds are then those of the wall clock for a question of any of them.
 */
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/query/recall.h"
#include "tests/bench/harness.h"
#include "tests/bench/school.h"

enum { QUESTIONS = SCHOOL_JOURNAL_DENIALS, HOT_NAMES = 10000, ROUNDS = 11, WORKERS_MAX = 64 };

struct packet {
    uint16_t len;
    uint8_t bytes[94]; /* our names are short */
    struct address client;
};

struct bench {
    struct school school;
    struct packet *packets;
    bl_fact *facts;
    uint64_t random, unseen;
    size_t next;
    unsigned sum; /* so that nothing is left out for having no effect */
};

struct path {
    const char *name, *meaning;
    void (*fill)(struct bench *bench, size_t count); /* the questions of a round */
    void (*step)(struct bench *bench, const struct packet *packet);
    bool denies;
};

static void packet_set(struct bench *bench, struct packet *packet, const struct bl_name *name,
                       bool edns)
{
    uint8_t bytes[SCHOOL_QUESTION_MAX];
    size_t len = school_question(bytes, (uint16_t)random_next(&bench->random), name, DNS_A, edns);

    if (len > sizeof packet->bytes)
        bench_fail("a question is too long");
    memcpy(packet->bytes, bytes, len);
    packet->len = (uint16_t)len;
    packet->client = school_client(
        &bench->school, (uint32_t)(random_next(&bench->random) % bench->school.options.clients));
}

static void fill_listed(struct bench *bench, size_t count, bool edns)
{
    struct bl_name name;

    for (size_t i = 0; i < count; i++) {
        school_listed(random_next(&bench->random) % bench->school.options.names, &name);
        packet_set(bench, &bench->packets[i], &name, edns);
    }
}

static void fill_denied(struct bench *bench, size_t count)
{
    fill_listed(bench, count, false);
}

static void fill_denied_edns(struct bench *bench, size_t count)
{
    fill_listed(bench, count, true);
}

/* The popular ones more often, as people ask. */
static void fill_hot(struct bench *bench, size_t count)
{
    struct bl_name name;

    for (size_t i = 0; i < count; i++) {
        uint64_t a = random_next(&bench->random) % HOT_NAMES;
        uint64_t b = random_next(&bench->random) % HOT_NAMES;
        school_unlisted(a * b / HOT_NAMES, &name);
        packet_set(bench, &bench->packets[i], &name, false);
    }
}

static void fill_unseen(struct bench *bench, size_t count)
{
    struct bl_name name;

    for (size_t i = 0; i < count; i++) {
        school_unlisted(1000000 + bench->unseen++, &name);
        packet_set(bench, &bench->packets[i], &name, false);
    }
}

static void step_ask(struct bench *bench, const struct packet *packet)
{
    size_t len;

    bench->sum +=
        (unsigned)school_ask(&bench->school, packet->bytes, packet->len, &packet->client, &len);
}

static void step_parse(struct bench *bench, const struct packet *packet)
{
    struct dns_question question;

    bench->sum += dns_question_parse(packet->bytes, packet->len, &question);
}

static void step_look_up(struct bench *bench, const struct packet *packet)
{
    bench->sum += bl_store_find(bench->school.world->store, packet->bytes + DNS_HEADER,
                                packet->len - DNS_HEADER - 4u, DNS_A)
                      .fact;
}

static void step_judge(struct bench *bench, const struct packet *packet)
{
    struct pipeline *pipeline = bench->school.pipeline;
    uint16_t group = policy_group_of(pipeline->world->policy, &packet->client);

    bench->sum += policy_judge(&pipeline->now, group, packet->bytes + DNS_HEADER,
                               packet->len - DNS_HEADER - 4u, bench->facts[packet->bytes[1]])
                      .verdict;
}

static void step_recall(struct bench *bench, const struct packet *packet)
{
    struct cache_key key = {.name = packet->bytes + DNS_HEADER,
                            .name_len = (uint8_t)(packet->len - DNS_HEADER - 4u),
                            .type = DNS_A,
                            .class = DNS_CLASS_IN};

    bench->sum += cache_find(bench->school.pipeline->cache, &key) != NULL;
}

static void step_record(struct bench *bench, const struct packet *packet)
{
    struct denial denial = {.wall_ms = bench->school.moment.wall_ms,
                            .client = packet->client,
                            .qtype = DNS_A,
                            .rule = RULE_CATEGORY,
                            .via = VIA_QUESTION,
                            .policy_version = 1,
                            .generation = 1,
                            .qname = packet->bytes + DNS_HEADER,
                            .matched = packet->bytes + DNS_HEADER};

    bench->sum += (unsigned)journal_append(bench->school.journal, &denial);
}

static const struct path PATHS[] = {
    {"parse", "a question read", fill_denied, step_parse, false},
    {"look-up", "a name among the listed ones", fill_denied, step_look_up, false},
    {"judge", "group of the client, verdict on the fact", fill_denied, step_judge, false},
    {"recall", "a reply found in the cache", fill_hot, step_recall, false},
    {"record", "a denial into the journal", fill_denied, step_record, true},
    {"deny", "a listed name, the whole way", fill_denied, step_ask, true},
    {"deny-edns", "the same with EDNS: words and a case code", fill_denied_edns, step_ask, true},
    {"hit", "a cached name, the whole way", fill_hot, step_ask, false},
    {"miss", "a new name: forwarded, answered, kept", fill_unseen, step_ask, false},
};

enum { PATH_COUNT = sizeof PATHS / sizeof PATHS[0] };

static const struct path *path_now;

/* Its name is what callgrind is told to look at. */
__attribute__((noinline, noclone, used)) void measured_run(struct bench *bench, size_t count);

__attribute__((noinline, noclone, used)) void measured_run(struct bench *bench, size_t count)
{
    void (*step)(struct bench * bench, const struct packet *packet) = path_now->step;

    for (size_t i = 0; i < count; i++)
        step(bench, &bench->packets[i]);
}

static void work_run(void *user, size_t count)
{
    measured_run(user, count);
}

static void work_prepare(void *user, size_t count)
{
    struct bench *bench = user;

    path_now->fill(bench, count);
    if (path_now->denies)
        school_journal_renew(&bench->school);
}

/* All popular names into the cache. */
static void cache_fill(struct bench *bench)
{
    struct packet packet;
    struct bl_name name;
    size_t len;

    for (uint64_t i = 0; i < HOT_NAMES; i++) {
        school_unlisted(i, &name);
        packet_set(bench, &packet, &name, false);
        school_ask(&bench->school, packet.bytes, packet.len, &packet.client, &len);
    }
}

static uint64_t size_read(const char *option, const char *text, uint64_t most)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value == 0 || value > most)
        bench_fail("--%s takes a number from 1 to %" PRIu64, option, most);
    return value;
}

static const struct path *path_find(const char *name)
{
    for (size_t i = 0; i < PATH_COUNT; i++)
        if (strcmp(PATHS[i].name, name) == 0)
            return &PATHS[i];
    bench_fail("there is no path '%s'", name);
}

struct arguments {
    struct school_options school;
    const struct path *path;
    size_t once;
    unsigned workers;
    bool json;
};

static void arguments_read(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {
        {"names", required_argument, NULL, 'n'},   {"groups", required_argument, NULL, 'g'},
        {"clients", required_argument, NULL, 'c'}, {"path", required_argument, NULL, 'p'},
        {"once", required_argument, NULL, 'o'},    {"workers", required_argument, NULL, 'w'},
        {"json", no_argument, NULL, 'j'},          {NULL, 0, NULL, 0}};

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'n')
            out->school.names = size_read("names", optarg, 100000000);
        else if (option == 'g')
            out->school.groups = (unsigned)size_read("groups", optarg, 65536);
        else if (option == 'c')
            out->school.clients = (uint32_t)size_read("clients", optarg, 1 << 24);
        else if (option == 'p')
            out->path = path_find(optarg);
        else if (option == 'o')
            out->once = size_read("once", optarg, QUESTIONS);
        else if (option == 'w')
            out->workers = (unsigned)size_read("workers", optarg, WORKERS_MAX);
        else if (option == 'j')
            out->json = true;
        else
            exit(2);
    }
}

static void path_print(struct bench *bench, const struct path *path, bool json)
{
    struct work work = {work_run, work_prepare, bench};
    struct figure figure;

    path_now = path;
    figure = figure_measure(&work, QUESTIONS, ROUNDS);
    figure_print(path->name, bench->school.options.names, &figure, json);
}

/* Threads that do each round together: between two meetings at the gate. */
struct crew {
    struct bench *benches;
    unsigned workers;
    pthread_barrier_t gate;
    size_t count; /* questions a worker and round; 0: go home */
};

struct worker {
    struct crew *crew;
    struct bench *bench;
    pthread_t thread;
};

static void *worker_run(void *user)
{
    struct worker *worker = user;
    struct crew *crew = worker->crew;

    for (;;) {
        pthread_barrier_wait(&crew->gate);
        if (crew->count == 0)
            return NULL;
        measured_run(worker->bench, crew->count);
        pthread_barrier_wait(&crew->gate);
    }
}

/* `count` questions in all. */
static void crew_run(void *user, size_t count)
{
    struct crew *crew = user;

    crew->count = count / crew->workers;
    pthread_barrier_wait(&crew->gate);
    pthread_barrier_wait(&crew->gate);
}

static void crew_prepare(void *user, size_t count)
{
    struct crew *crew = user;

    for (unsigned i = 0; i < crew->workers; i++)
        work_prepare(&crew->benches[i], count / crew->workers);
}

static void crew_print(struct crew *crew, const struct path *only, bool json)
{
    struct work work = {crew_run, crew_prepare, crew};
    struct worker workers[WORKERS_MAX];
    struct figure figure;
    char what[32];

    if (pthread_barrier_init(&crew->gate, NULL, crew->workers + 1) != 0)
        bench_fail("no barrier");
    for (unsigned i = 0; i < crew->workers; i++) {
        workers[i] = (struct worker){.crew = crew, .bench = &crew->benches[i]};
        if (pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]) != 0)
            bench_fail("no thread");
    }
    for (size_t i = 0; i < PATH_COUNT; i++) {
        if (only && only != &PATHS[i])
            continue;
        path_now = &PATHS[i];
        figure = figure_measure(&work, (size_t)QUESTIONS * crew->workers, ROUNDS);
        snprintf(what, sizeof what, "%s, %u worker%s", path_now->name, crew->workers,
                 crew->workers == 1 ? "" : "s");
        figure_print(what, crew->benches[0].school.options.names, &figure, json);
    }
    crew->count = 0;
    pthread_barrier_wait(&crew->gate);
    for (unsigned i = 0; i < crew->workers; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_barrier_destroy(&crew->gate);
}

static void world_run(void *user, size_t count)
{
    while (count--)
        world_unref(school_world(user));
}

static void world_print(struct school *school, bool json)
{
    struct work work = {.run = world_run, .user = school};
    struct figure figure = figure_measure(&work, 1, ROUNDS), octets = {0};
    size_t before = mallinfo2().uordblks;
    struct world *world = school_world(school);

    octets.least_ns = octets.median_ns = (double)(mallinfo2().uordblks - before);
    world_unref(world);
    figure_print("world", school->options.groups, &figure, json);
    figure_print("world-octets", school->options.groups, &octets, json);
}

static void bench_open(struct bench *bench, const struct school_options *options,
                       struct bench *first, unsigned worker)
{
    bench->random = worker;
    bench->packets = calloc(QUESTIONS, sizeof *bench->packets);
    bench->facts = calloc(256, sizeof *bench->facts); /* on no list and on one, by turns */
    if (!bench->packets || !bench->facts)
        bench_fail("no memory for questions");
    if (worker == 0)
        school_open(&bench->school, options);
    else
        school_join(&bench->school, &first->school, worker);
    for (unsigned i = 0; i < 256; i++)
        bench->facts[i] = (bl_fact)(i % bl_store_fact_count(bench->school.world->store));
    cache_fill(bench);
}

static void bench_close(struct bench *bench)
{
    school_close(&bench->school);
    free(bench->packets);
    free(bench->facts);
}

/* The path `count` times within measured_run(), after as many that warm up. */
static void once_run(struct bench *bench, const struct path *path, size_t count)
{
    path_now = path;
    work_prepare(bench, count);
    for (size_t i = 0; i < count; i++)
        path_now->step(bench, &bench->packets[i]);
    work_prepare(bench, count);
    measured_run(bench, count);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.school = {.names = 1000000, .groups = 10, .clients = 1000}};
    struct crew crew = {0};

    arguments_read(argc, argv, &arguments);
    if (arguments.once && !arguments.path)
        bench_fail("--once needs --path");
    crew.workers = arguments.workers ? arguments.workers : 1;
    crew.benches = calloc(crew.workers, sizeof *crew.benches);
    if (!crew.benches)
        bench_fail("no memory for workers");
    for (unsigned i = 0; i < crew.workers; i++)
        bench_open(&crew.benches[i], &arguments.school, &crew.benches[0], i);
    if (arguments.once) {
        once_run(&crew.benches[0], arguments.path, arguments.once);
    } else if (arguments.workers) {
        crew_print(&crew, arguments.path, arguments.json);
    } else {
        if (!arguments.path)
            world_print(&crew.benches[0].school, arguments.json);
        for (size_t i = 0; i < PATH_COUNT; i++)
            if (!arguments.path || arguments.path == &PATHS[i])
                path_print(&crew.benches[0], &PATHS[i], arguments.json);
    }
    for (unsigned i = crew.workers; i-- > 0;)
        bench_close(&crew.benches[i]);
    free(crew.benches);
    return 0;
}

#include "tests/bench/school.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/compile.h"
#include "blocklists/lists.h"
#include "tests/bench/harness.h"
#include "tests/support/folder.h"

enum { ADDRESS_BITS = 24 }; /* of 10.0.0.0/8 */

static const char *const ENDINGS[] = {"com", "com", "com", "net", "org", "co.uk", "de", "info"};

/* Forty bits, each number somewhere else. */
static uint64_t scramble(uint64_t number)
{
    return number * 0x9e3779b97f4a7c15u & 0xffffffffffu;
}

static void name_of(uint64_t number, const char *word, struct bl_name *out_name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
    uint64_t bits = scramble(number);
    char text[64], label[9];

    for (unsigned i = 0; i < 8; i++, bits >>= 5)
        label[i] = letters[bits & 31];
    label[8] = '\0';
    snprintf(text, sizeof text, "%s%s.%s", number % 4 == 3 ? "cdn." : word, label,
             ENDINGS[number / 4 % (sizeof ENDINGS / sizeof ENDINGS[0])]);
    if (bl_name_parse(text, strlen(text), out_name) != BL_NAME_FINE)
        bench_fail("%s is no name", text);
}

void school_listed(uint64_t number, struct bl_name *out_name)
{
    name_of(number, "", out_name);
}

void school_unlisted(uint64_t number, struct bl_name *out_name)
{
    name_of(number, "ok-", out_name);
    if (number % 4 == 3) /* "cdn." names are listed as they stand */
        name_of(number + 1, "ok-", out_name);
}

static void names_take(const struct school *school, struct bl_sink *sink)
{
    struct bl_entry entry = {.scope = BL_SUBTREE};
    struct bl_error error;

    for (uint64_t i = 0; i < school->options.names; i++) {
        school_listed(i, &entry.name);
        entry.line = (uint32_t)i + 1;
        if (sink->take(sink->user, &entry, &error) < 0)
            bench_fail("%s", error.text);
    }
}

static void list_compile(struct school *school)
{
    struct bl_compile_options options = {.folder = school->folder, .seed = 1, .now = 1};
    struct bl_compile_source source = {
        .location = "bench", .category = "bench", .licence = "", .actor = "bench", .reason = ""};
    struct bl_read_report report = {.format = "domains"};
    struct bl_compile_result result;
    struct bl_compile *compile;
    struct bl_error error;
    struct bl_sink sink;
    uint64_t generation;
    int fd;

    if (bl_compile_open(&options, &compile, &error) < 0 ||
        bl_compile_source(compile, &source, &error) < 0)
        bench_fail("%s", error.text);
    sink = bl_compile_sink(compile);
    names_take(school, &sink);
    report.read = report.taken = school->options.names;
    bl_compile_source_end(compile, &report);
    if (bl_compile_finish(compile, &fd, &result, &error) < 0 ||
        bl_lists_adopt(school->folder, fd, 1, &generation, &error) < 0)
        bench_fail("%s", error.text);
    close(fd);
    bl_compile_close(compile);
}

/* Each group has a subnet of its own in 10.0.0.0/8, as large as there is room for. */
static unsigned host_bits(const struct school *school)
{
    unsigned bits = ADDRESS_BITS;

    while (((uint64_t)school->options.groups << bits) > 1u << ADDRESS_BITS)
        bits--;
    return bits;
}

struct address school_client(const struct school *school, uint32_t number)
{
    struct address client = {.bytes = {[10] = 0xff, [11] = 0xff}, .port = 40000};
    unsigned bits = host_bits(school);
    uint32_t group = number % school->options.groups;
    uint32_t host = (uint32_t)(number / school->options.groups & ((1u << bits) - 1));
    uint32_t ip = 10u << ADDRESS_BITS | group << bits | host;

    for (unsigned i = 0; i < 4; i++)
        client.bytes[12 + i] = (uint8_t)(ip >> (24 - 8 * i));
    return client;
}

static struct config *config_make(struct school *school)
{
    struct config_faults faults = {0};
    struct config *config;
    unsigned bits = host_bits(school);
    char *text = NULL, path[96];
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        bench_fail("no memory for a configuration");
    fprintf(out,
            "state: \"%s\"\nworkers: 1\nupstreams: [\"11.0.0.1\"]\ncategories: {bench: "
            "{}}\nlimits: {answers-per-second: 0, in-flight-share: 0}\n"
            "contact: \"Please ask a member of staff.\"\ngroups:\n",
            school->folder);
    for (uint32_t group = 0; group < school->options.groups; group++) {
        uint32_t ip = 10u << ADDRESS_BITS | group << bits;
        fprintf(out, "  g%" PRIu32 ": {subnets: [%u.%u.%u.%u/%u], deny: [bench]}\n", group,
                ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255, 32 - bits);
    }
    if (fclose(out) != 0)
        bench_fail("no memory for a configuration");
    snprintf(path, sizeof path, "%s/config.yaml", school->folder);
    if (config_load_text(path, text, len, &config, &faults) < 0)
        bench_fail("%s", faults.count ? faults.items[0].text : "the configuration is not good");
    free(text);
    return config;
}

/* The same numbers each time: ids and the case of letters. */
static void random_fill(void *user, void *bytes, size_t len)
{
    struct school *school = user;
    uint8_t *at = bytes;

    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(random_next(&school->random) >> 32);
}

struct world *school_world(struct school *school)
{
    struct world *world;
    struct bl_error error;

    if (world_create(config_make(school), 1, &world, &error) < 0)
        bench_fail("%s", error.text);
    return world;
}

/* What each worker has of its own. */
static void worker_open(struct school *school)
{
    struct pipeline_options pipeline = {0};
    struct bl_error error;

    if (journal_open(school->folder, school->worker, &school->journal, &error) < 0)
        bench_fail("%s", error.text);
    if (asked_create(1, &school->asked) < 0)
        bench_fail("out of memory");
    pipeline.world = school->world;
    pipeline.journal = school->journal;
    pipeline.asked = school->asked;
    pipeline.counters = &school->counters;
    pipeline.verdicts = &school->verdicts;
    if (pipeline_create(&pipeline, school->moment, &school->pipeline, &error) < 0)
        bench_fail("%s", error.text);
    school->pipeline->random.fill = random_fill;
    school->pipeline->random.user = school;
    school->pipeline->random.used = sizeof school->pipeline->random.bytes;
    pipeline_wake(school->pipeline, school->moment);
}

void school_open(struct school *school, const struct school_options *options)
{
    *school = (struct school){.options = *options,
                              .moment = {.mono_ms = 1000000, .wall_ms = INT64_C(1795426200000)}};
    school->options.names = options->names ? options->names : 1000;
    school->options.groups = options->groups ? options->groups : 1;
    school->options.clients = options->clients ? options->clients : 1;
    folder_make(school->folder);
    list_compile(school);
    school->world = school_world(school);
    worker_open(school);
}

void school_join(struct school *school, const struct school *first, unsigned worker)
{
    *school = (struct school){.options = first->options, .moment = first->moment, .worker = worker};
    memcpy(school->folder, first->folder, sizeof school->folder);
    school->world = world_ref(first->world);
    worker_open(school);
}

void school_journal_renew(struct school *school)
{
    struct bl_error error;

    journal_close(school->journal);
    if (journal_open(school->folder, school->worker, &school->journal, &error) < 0)
        bench_fail("%s", error.text);
    journal_legend(school->journal, school->world->legend);
    school->pipeline->journal = school->journal;
}

void school_close(struct school *school)
{
    pipeline_destroy(school->pipeline);
    journal_close(school->journal);
    asked_free(school->asked);
    world_unref(school->world);
    if (school->worker == 0)
        folder_drop(school->folder);
}

size_t school_question(uint8_t packet[SCHOOL_QUESTION_MAX], uint16_t id, const struct bl_name *name,
                       unsigned type, bool edns)
{
    struct dns_writer writer = {.message = packet, .room = SCHOOL_QUESTION_MAX};

    dns_write_head(&writer, id, DNS_RD, name->wire, name->len, type, DNS_CLASS_IN);
    if (edns)
        dns_write_opt(&writer, 0, 0, NULL, 0);
    return writer.len;
}

struct query *school_query(struct school *school, const uint8_t *packet, size_t len,
                           const struct address *client)
{
    struct query *query = query_take(school->pipeline);

    if (!query)
        bench_fail("all places for queries are taken");
    query->packet = packet;
    query->packet_len = len;
    query->client = *client;
    query->transport = OVER_UDP;
    query->answer = school->answer;
    query->answer_room = sizeof school->answer;
    return query;
}

/* An upstream's answer to the exchange's packet: one address. */
static size_t reply_make(struct school *school, const struct exchange *exchange)
{
    static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 11, 0, 0, 9};
    size_t question = DNS_HEADER + exchange->name_len + 4u;
    uint8_t *reply = school->reply;

    memcpy(reply, exchange->packet, question);
    memcpy(reply + question, record, sizeof record);
    reply[2] |= 0x80;
    reply[3] |= 0x80;
    reply[7] = 1;
    reply[10] = reply[11] = 0; /* no OPT */
    return question + sizeof record;
}

/* The upstream answers; the first waiter is answered in school->answer. */
static enum query_next exchange_answer(struct school *school, struct exchange *exchange,
                                       size_t *out_len)
{
    struct pipeline *pipeline = school->pipeline;
    size_t len = reply_make(school, exchange);
    enum query_next next = QUERY_DROP;
    struct query *query;

    exchange_sent(pipeline->exchanges, exchange, &school->channel);
    if (exchange_match(pipeline->exchanges, &school->channel, school->reply, len) != exchange ||
        query_resume(pipeline, exchange, school->reply, len) != QUERY_ANSWER)
        bench_fail("the upstream's answer was not taken");
    while ((query = query_waiting(exchange))) {
        query->answer = school->answer;
        query->answer_room = sizeof school->answer;
        next = query_finish(pipeline, query);
        *out_len = query->answer_len;
        query_release(pipeline, query);
    }
    exchange_end(pipeline->exchanges, exchange);
    return next;
}

int school_ask(struct school *school, const uint8_t *packet, size_t len,
               const struct address *client, size_t *out_len)
{
    struct query *query = school_query(school, packet, len, client);
    enum query_next next = query_begin(school->pipeline, query);

    if (next == QUERY_FORWARD) {
        next = exchange_answer(school, query->exchange, out_len);
    } else if (next == QUERY_WAIT) {
        bench_fail("a question waits for an upstream that nobody plays");
    } else {
        *out_len = query->answer_len;
        query_release(school->pipeline, query);
    }
    return next == QUERY_ANSWER ? school->answer[3] & DNS_RCODE : -1;
}

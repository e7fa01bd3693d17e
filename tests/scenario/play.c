/* Plays a scenario: the real pipeline with a fake clock, fake upstreams and fixed random numbers.
 * README.md has the verbs. `play FILE.scenario`; exit code 0 when all came out as the text says.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "record.h"
#include "resolver/query/query.h"
#include "school.h"
#include "script.h"
#include "wire.h"

enum { ASKS_MAX = 512, SENT_MAX = 2048 };

enum ask_state { ASK_FREE, ASK_WAITS, ASK_ANSWERED, ASK_DROPPED };

struct ask {
    char id[16];
    enum ask_state state;
    bool checked;
    struct query *query;
    struct address client;
    char name[BL_NAME_TEXT_MAX], type[16];
    uint8_t *answer; /* WIRE_MAX octets */
    size_t answer_len;
};

struct sent {
    unsigned server;
    uint8_t transport;
    bool checked;
    char what[BL_NAME_TEXT_MAX + 16]; /* "NAME TYPE" */
    uint8_t packet[EXCHANGE_PACKET_MAX];
    size_t packet_len;
    void *channel;
};

static struct {
    struct pipeline *pipeline;
    struct journal *journal;
    struct counters counters;
    struct moment moment;
    uint64_t random;
    struct ask asks[ASKS_MAX];
    size_t ask_count;
    struct sent sent[SENT_MAX];
    size_t sent_count;
    char channels[8][3]; /* an address each, by upstream and transport */
} play = {.moment = {.mono_ms = 1000000,
                     .wall_ms = INT64_C(1795426200000)}}; /* Monday 23.11.2026, 09:30 */

static const char *const transports[] = {"udp", "tcp", "tls"};

/* Everything so far that a line has not looked at: what a reader wants to know first. */
static void play_explain(void)
{
    for (size_t i = 0; i < play.ask_count; i++)
        if (play.asks[i].state == ASK_WAITS)
            printf("  waiting:  %s (%s %s)\n", play.asks[i].id, play.asks[i].name,
                   play.asks[i].type);
    for (size_t i = 0; i < play.sent_count; i++)
        if (!play.sent[i].checked)
            printf("  sent:     %s %s %s\n", school_upstream_name(play.sent[i].server),
                   play.sent[i].what, transports[play.sent[i].transport]);
    record_explain();
    school_close();
}

static void fixed_fill(void *user, void *bytes, size_t len)
{
    (void)user;
    uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) {
        play.random = play.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        at[i] = (uint8_t)(play.random >> 56);
    }
}

/* The world as the lines so far tell it, entered before the next thing happens. */
static void world_follow(void)
{
    if (!school_changed())
        return;
    struct bl_error error = {0};
    struct world *world =
        school_world(play.moment.wall_ms, play.pipeline ? play.pipeline->world : NULL);
    if (!play.pipeline) {
        if (journal_open(school_state(), 0, &play.journal, &error))
            script_fail("%s", error.text);
        const struct pipeline_options options = {.world = world,
                                                 .journal = play.journal,
                                                 .counters = &play.counters,
                                                 .max_queries = ASKS_MAX};
        if (pipeline_create(&options, play.moment, &play.pipeline, &error))
            script_fail("%s", error.text);
        play.pipeline->random.fill = fixed_fill;
        play.pipeline->random.used = sizeof(play.pipeline->random.bytes);
    } else if (pipeline_enter(play.pipeline, world)) {
        script_fail("the pipeline did not take the new world");
    }
    world_unref(world);
    pipeline_wake(play.pipeline, play.moment);
}

static struct ask *ask_of(const struct query *query)
{
    for (size_t i = 0; i < play.ask_count; i++)
        if (play.asks[i].query == query)
            return &play.asks[i];
    script_fail("the pipeline gave a query that nobody asked");
}

static struct ask *ask_find(const char *id)
{
    for (size_t i = play.ask_count; i-- > 0;)
        if (strcmp(play.asks[i].id, id) == 0)
            return &play.asks[i];
    script_fail("nothing was asked as '%s'", id);
}

static void exchange_send(struct exchange *exchange)
{
    if (play.sent_count == SENT_MAX)
        script_fail("more was sent upstream than a scenario can hold");
    struct sent *sent = &play.sent[play.sent_count++];
    *sent = (struct sent){.server = exchange->server,
                          .transport = exchange->transport,
                          .packet_len = exchange->packet_len,
                          .channel = &play.channels[exchange->server % 8][exchange->transport % 3]};
    memcpy(sent->packet, exchange->packet, exchange->packet_len);
    wire_describe(sent->packet, sent->packet_len, sent->what, sizeof(sent->what));
    exchange_sent(play.pipeline->exchanges, exchange, sent->channel);
}

/* What the pipeline asks on its own. */
static void refreshes_send(void)
{
    struct exchange *exchange;
    while ((exchange = pipeline_next_refresh(play.pipeline)))
        exchange_send(exchange);
}

static void ask_settle(struct ask *ask, enum query_next next)
{
    ask->state = next == QUERY_ANSWER ? ASK_ANSWERED : ASK_DROPPED;
    ask->answer_len = next == QUERY_ANSWER ? ask->query->answer_len : 0;
    query_release(play.pipeline, ask->query);
    ask->query = NULL;
}

/* Does what query_resume(), query_expire() or query_fail() said of an exchange. */
static void exchange_act(struct exchange *exchange, enum query_next next)
{
    struct query *query;
    switch (next) {
    case QUERY_ANSWER:
        while ((query = query_waiting(exchange))) {
            struct ask *ask = ask_of(query);
            query->answer = ask->answer;
            query->answer_room = WIRE_MAX;
            ask_settle(ask, query_finish(play.pipeline, query));
        }
        exchange_end(play.pipeline->exchanges, exchange);
        break;
    case QUERY_FORWARD:
        exchange_send(exchange);
        break;
    case QUERY_WAIT:
        break;
    case QUERY_DROP:
        script_fail("the pipeline dropped an exchange, which is no answer to its callers");
    }
    refreshes_send();
}

/* ask ID CLIENT NAME TYPE [WORD…] */
static void play_ask(char *rest)
{
    static uint8_t packet[WIRE_MAX];
    world_follow();
    if (play.ask_count == ASKS_MAX)
        script_fail("more questions than a scenario can hold");
    struct ask *ask = &play.asks[play.ask_count++];
    *ask = (struct ask){.answer = malloc(WIRE_MAX)};
    snprintf(ask->id, sizeof(ask->id), "%s", word_must(&rest, "a name for the question"));
    const char *client = word_must(&rest, "the client's address");
    if (address_parse(client, 40000, &ask->client))
        script_fail("'%s' is no address", client);
    snprintf(ask->name, sizeof(ask->name), "%s", word_must(&rest, "the name asked"));
    snprintf(ask->type, sizeof(ask->type), "%s", word_must(&rest, "the type asked"));
    bool tcp = strstr(rest, "tcp") != NULL;
    size_t len = wire_question(ask->name, ask->type, rest, packet);

    struct query *query = query_take(play.pipeline);
    if (!query) {
        ask->state = ASK_DROPPED;
        return;
    }
    query->packet = packet;
    query->packet_len = len;
    query->client = ask->client;
    address_parse("10.0.0.53", 53, &query->local);
    query->transport = tcp ? OVER_TCP : OVER_UDP;
    query->answer = ask->answer;
    query->answer_room = WIRE_MAX;
    ask->query = query;
    ask->state = ASK_WAITS;
    enum query_next next = query_begin(play.pipeline, query);
    if (next == QUERY_ANSWER || next == QUERY_DROP)
        ask_settle(ask, next);
    else if (next == QUERY_FORWARD)
        exchange_send(query->exchange);
    refreshes_send();
}

/* A host has several places among the servers. */
static bool is_sent_to(const struct sent *sent, const char *upstream)
{
    (void)school_upstream(upstream); /* there has to be one */
    return strcmp(school_upstream_name(sent->server), upstream) == 0;
}

/* sends UPSTREAM NAME TYPE [tcp|tls] · sends none */
static void play_sends(char *rest)
{
    char expected[BL_NAME_TEXT_MAX + 64];
    const char *upstream = word_must(&rest, "an upstream, or none");
    struct sent *sent = NULL;
    for (size_t i = 0; i < play.sent_count && !sent; i++)
        if (!play.sent[i].checked)
            sent = &play.sent[i];
    if (strcmp(upstream, "none") == 0) {
        if (sent)
            script_differ("nothing", "%s %s", school_upstream_name(sent->server), sent->what);
        return;
    }
    const char *name = word_must(&rest, "the name"), *type = word_must(&rest, "the type");
    const char *transport = word_next(&rest);
    snprintf(expected, sizeof(expected), "%s %s %s%s%s", upstream, name, type, transport ? " " : "",
             transport ? transport : "");
    if (!sent)
        script_differ(expected, "nothing more was sent");
    sent->checked = true;
    char what[BL_NAME_TEXT_MAX + 16];
    snprintf(what, sizeof(what), "%s %s", name, type);
    bool same = strcmp(sent->what, what) == 0 &&
                (strcmp(upstream, "any") == 0 || is_sent_to(sent, upstream)) &&
                (!transport || strcmp(transport, transports[sent->transport]) == 0);
    if (!same)
        script_differ(expected, "%s %s %s", school_upstream_name(sent->server), sent->what,
                      transports[sent->transport]);
}

/* The newest packet to an upstream with a name. */
static struct sent *sent_find(const char *upstream, const char *name)
{
    for (size_t i = play.sent_count; i-- > 0;) {
        struct sent *sent = &play.sent[i];
        size_t len = strlen(name);
        if ((strcmp(upstream, "any") == 0 || is_sent_to(sent, upstream)) &&
            strncmp(sent->what, name, len) == 0 && sent->what[len] == ' ')
            return sent;
    }
    script_fail("nothing was sent to %s for %s", upstream, name);
}

/* reply UPSTREAM [WORD…] RECORD ; RECORD … */
static void play_reply(char *rest)
{
    static uint8_t bytes[WIRE_MAX];
    char name[BL_NAME_TEXT_MAX];
    world_follow();
    const char *upstream = word_must(&rest, "an upstream");
    rest += strspn(rest, " \t");
    bool elsewhere = strncmp(rest, "wrong-port ", 11) == 0;
    if (elsewhere)
        rest += 11;
    wire_reply_name(rest, name, sizeof(name));
    struct sent *sent = sent_find(upstream, name);
    if (!sent->checked)
        script_fail("a reply to what no `sends` line has looked at");
    size_t len = wire_reply(sent->packet, sent->packet_len, rest, bytes);
    pipeline_wake(play.pipeline, play.moment);
    const void *channel = elsewhere ? (const void *)&play : sent->channel;
    struct exchange *exchange = exchange_match(play.pipeline->exchanges, channel, bytes, len);
    if (exchange)
        exchange_act(exchange, query_resume(play.pipeline, exchange, bytes, len));
}

/* breaks UPSTREAM NAME: the connection that the last try went by. */
static void play_breaks(char *rest)
{
    const char *upstream = word_must(&rest, "an upstream");
    struct sent *sent = sent_find(upstream, word_must(&rest, "a name"));
    struct exchange *exchange =
        exchange_match(play.pipeline->exchanges, sent->channel, sent->packet, sent->packet_len);
    if (!exchange)
        script_fail("nothing waits there any more");
    pipeline_wake(play.pipeline, play.moment);
    if (exchange_lost(play.pipeline->exchanges, exchange->matched))
        exchange_act(exchange, query_fail(play.pipeline, exchange));
}

/* answer ID EXPECTED… · answer ID silence · answer ID waits */
static void play_answer(char *rest)
{
    static const char *const states[] = {"", "it waits", "an answer", "silence"};
    struct ask *ask = ask_find(word_must(&rest, "which question"));
    rest += strspn(rest, " \t");
    ask->checked = true;
    if (strcmp(rest, "waits") == 0 || strcmp(rest, "silence") == 0) {
        if (ask->state != (*rest == 'w' ? ASK_WAITS : ASK_DROPPED))
            script_differ(rest, "%s", states[ask->state]);
        ask->checked = *rest != 'w';
        return;
    }
    if (ask->state != ASK_ANSWERED)
        script_differ(rest, "%s", states[ask->state]);
    wire_expect(ask->answer, ask->answer_len, rest);
}

/* denial ID GROUP CATEGORY MATCHED [via=…] [observed] · denial none */
static void play_denial(char *rest)
{
    const char *id = word_must(&rest, "which question");
    if (strcmp(id, "none") == 0) {
        record_expect_none();
        return;
    }
    const struct ask *ask = ask_find(id);
    record_expect(&ask->client, ask->name, ask->type, rest);
}

/* Lets time pass, from deadline to deadline of what is in flight. */
static void time_pass(int64_t ms)
{
    int64_t end = play.moment.mono_ms + ms;
    for (;;) {
        int64_t next = exchange_next_deadline(play.pipeline->exchanges);
        int64_t to = next < end ? next : end;
        if (to > play.moment.mono_ms) {
            play.moment.wall_ms += to - play.moment.mono_ms;
            play.moment.mono_ms = to;
        }
        pipeline_wake(play.pipeline, play.moment);
        struct exchange *exchange;
        unsigned rounds = 0;
        while ((exchange = exchange_overdue(play.pipeline->exchanges, play.moment.mono_ms))) {
            exchange_act(exchange, query_expire(play.pipeline, exchange));
            if (++rounds > SENT_MAX)
                script_fail("a deadline that never ends");
        }
        if (play.moment.mono_ms == end && exchange_next_deadline(play.pipeline->exchanges) > end)
            return;
    }
}

/* after SPAN · after 2026-11-23T11:15[:00] (local time; the clock is set, nothing else passes) */
static void play_after(char *rest)
{
    const char *text = word_must(&rest, "how long, or until when");
    int64_t ms = span_ms(text);
    if (ms >= 0) {
        world_follow();
        time_pass(ms);
        refreshes_send();
        return;
    }
    struct tm time = {.tm_isdst = -1};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M", &time);
    if (end && *end == ':')
        end = strptime(end, ":%S", &time);
    if (!end || *end)
        script_fail("'%s' is neither a span (61s) nor a time (2026-11-23T11:15)", text);
    play.moment.wall_ms = (int64_t)mktime(&time) * 1000;
    if (play.pipeline)
        pipeline_wake(play.pipeline, play.moment);
}

static const struct {
    const char *name;
    void (*play)(char *rest);
} verbs[] = {
    {"group", school_group},   {"list", school_list},   {"config", school_config},
    {"device", school_device}, {"ask", play_ask},       {"sends", play_sends},
    {"reply", play_reply},     {"answer", play_answer}, {"denial", play_denial},
    {"after", play_after},     {"breaks", play_breaks},
};

static void line_play(char *text)
{
    char *comment = text;
    while ((comment = strchr(comment, '#')) && comment > text && comment[-1] != ' ' &&
           comment[-1] != '\t')
        comment++;
    if (comment)
        *comment = '\0';
    for (size_t len = strlen(text); len > 0 && strchr(" \t\n", text[len - 1]); len--)
        text[len - 1] = '\0';
    const char *verb = word_next(&text);
    if (!verb)
        return;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i].name, verb) == 0) {
            verbs[i].play(text);
            return;
        }
    script_fail("there is no verb '%s'", verb);
}

/* What nobody looked at would hide a fault. */
static void end_check(void)
{
    for (size_t i = 0; i < play.sent_count; i++)
        if (!play.sent[i].checked)
            script_fail("the scenario ends, and this that was sent was not looked at: %s %s",
                        school_upstream_name(play.sent[i].server), play.sent[i].what);
    for (size_t i = 0; i < play.ask_count; i++)
        if (!play.asks[i].checked)
            script_fail("the scenario ends, and the answer to %s was not looked at",
                        play.asks[i].id);
    record_expect_none();
}

static void play_close(void)
{
    for (size_t i = 0; i < play.ask_count; i++) {
        if (play.asks[i].query)
            query_abandon(play.pipeline, play.asks[i].query);
        free(play.asks[i].answer);
    }
    pipeline_destroy(play.pipeline);
    journal_close(play.journal);
    school_close();
}

int main(int argc, char **argv)
{
    setenv("TZ", "GMT0BST,M3.5.0/1,M10.5.0", 1); /* London, without tzdata */
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!file) {
        fprintf(stderr, "usage: play FILE.scenario\n");
        return 2;
    }
    script_begin(argv[1]);
    script_on_fail(play_explain);
    school_open();
    char *text = NULL;
    size_t size = 0;
    unsigned line = 0;
    while (getline(&text, &size, file) >= 0) {
        script_line(++line, text);
        line_play(text);
    }
    script_line(line, "(the end)");
    if (play.ask_count == 0)
        script_fail("nothing was asked");
    end_check();
    free(text);
    fclose(file);
    play_close();
    return 0;
}

/* `chalkgate selftest`: does the filter do what the policy says, for every group, now? */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/base/address.h"
#include "resolver/dns/message.h"
#include "tools/ask.h"
#include "tools/table.h"
#include "tools/verb.h"

enum { WAIT_MS = 6000 };

static error_t selftest_parse(int key, char *value, struct argp_state *state)
{
    bool *all = state->input;

    switch (key) {
    case 'a':
        *all = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is not understood", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option selftest_table[] = {
    {"all", 'a', NULL, 0, "show each check, not only those that failed", 0},
    {0},
};

static const struct argp selftest_argp = {
    .options = selftest_table,
    .parser = selftest_parse,
    .doc =
        "Asks, for every group and through the path that its devices' questions take, for a listed "
        "name of each category, for the canary names and for search engines, and compares the "
        "outcome with the policy; then asks the resolver over the network, and looks at upstreams "
        "and at the age of the lists. The result is kept. Exit code 1 when a check failed.",
};

static const char *member(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static void check_add(json_t *result, const char *check, const char *subject, const char *expected,
                      const char *found, bool passed)
{
    const char *count = passed ? "passed" : "failed";

    json_array_append_new(json_object_get(result, "checks"),
                          json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:s}", "group", "", "check", check,
                                    "subject", subject, "expected", expected, "found", found,
                                    "passed", (int)passed, "note", ""));
    json_object_set_new(result, count,
                        json_integer(json_integer_value(json_object_get(result, count)) + 1));
}

/* Asks over UDP: the rcode of what comes back, or -1. */
static int resolver_ask(const struct address *listen, const char *question, size_t question_len)
{
    struct address server = *listen;
    struct sockaddr_storage storage;
    uint8_t answer[DNS_UDP_PLAIN];
    socklen_t len;
    bool is_v4 = address_is_v4(listen);
    int fd, rcode = -1;

    if (address_is_wildcard(listen)) /* on any address: then on this machine's own */
        address_parse(is_v4 ? "127.0.0.1" : "::1", listen->port, &server);
    len = address_to_sockaddr(&server, false, &storage);
    fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&storage, len) == 0 &&
        send(fd, question, question_len, MSG_NOSIGNAL) > 0) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, WAIT_MS) > 0 &&
            recv(fd, answer, sizeof answer, MSG_DONTWAIT) >= DNS_HEADER &&
            memcmp(answer, question, 2) == 0 && answer[2] & 0x80)
            rcode = answer[3] & DNS_RCODE;
    }
    close(fd);
    return rcode;
}

/* The resolver itself, and through it an upstream: whoever serves the root's name servers serves
 * names. */
static void check_listener(const struct address *listen, json_t *result)
{
    static const char canary[] =
        "\x43\x47\1\0\0\1\0\0\0\0\0\0\x13use-application-dns\3net\0\0\1\0\1";
    static const char root[] = "\x43\x48\1\0\0\1\0\0\0\0\0\0\0\0\2\0\1";
    char text[ADDRESS_TEXT_MAX];
    int rcode = resolver_ask(listen, canary, sizeof canary - 1);

    address_text_port(listen, text);
    check_add(result, "over the network", text, "an answer", rcode >= 0 ? "an answer" : "silence",
              rcode >= 0);
    if (rcode < 0 || rcode == DNS_REFUSED) /* this machine is in no group: it cannot ask for more */
        return;
    rcode = resolver_ask(listen, root, sizeof root - 1);
    check_add(result, "through an upstream", text, "an answer",
              rcode == DNS_NOERROR ? "an answer"
              : rcode < 0          ? "silence"
                                   : "no upstream answers",
              rcode == DNS_NOERROR);
}

static void check_sockets(const struct config *config, json_t *result)
{
    for (size_t i = 0; i < config->listen_count; i++)
        check_listener(&config->listen[i], result);
}

/* What status knows: upstreams that do not answer, lists that are old. */
static void check_status(struct command *command, json_t *result)
{
    struct bl_error error = {0};
    json_t *status, *item;
    size_t i;

    if (ask_daemon(command, "status", NULL, -1, &status, &error) != EXIT_DONE)
        return;
    json_array_foreach(json_object_get(status, "upstreams"), i, item)
        check_add(result, "upstream", member(item, "address"), "answering", member(item, "state"),
                  strcmp(member(item, "state"), "failing") != 0);
    json_array_foreach(json_object_get(status, "warnings"), i, item)
        check_add(result, "status", json_string_value(item), "no warning", "a warning", false);
    json_decref(status);
}

static void show(const json_t *result, bool all)
{
    long long failed = (long long)json_integer_value(json_object_get(result, "failed"));
    long long passed = (long long)json_integer_value(json_object_get(result, "passed"));
    struct table *table = table_create();
    json_t *check;
    size_t i;

    table_column(table, "Group", TABLE_LEFT);
    table_column(table, "Check", TABLE_LEFT);
    table_column(table, "Subject", TABLE_LEFT);
    table_column(table, "Expected", TABLE_LEFT);
    table_column(table, "Found", TABLE_LEFT);
    table_column(table, "", TABLE_LEFT);
    json_array_foreach(json_object_get(result, "checks"), i, check)
    {
        bool fine = json_is_true(json_object_get(check, "passed"));
        const char *note = member(check, "note");
        if (fine && !all)
            continue;
        table_cell(table, "%s", member(check, "group"));
        table_cell(table, "%s", member(check, "check"));
        table_cell(table, "%s", member(check, "subject"));
        table_cell(table, "%s", member(check, "expected"));
        table_cell(table, "%s", member(check, "found"));
        table_cell(table, "%s", !fine ? "FAILED" : *note ? note : "passed");
    }
    if (all || failed) {
        table_print(table, stdout);
        putchar('\n');
    } else {
        table_free(table);
    }
    printf("%lld checks passed, %lld failed.\n", passed, failed);
    if (!all && !failed)
        puts("`chalkgate selftest --all` shows each of them.");
}

static enum exit_code run_selftest(struct command *command, int argc, char **argv)
{
    bool all = false;
    struct bl_error error = {0};
    struct config *config;
    json_t *result;
    int failed = verb_parse(&selftest_argp, argc, argv, &all);
    enum exit_code code;

    if (failed)
        return (enum exit_code)(failed - 1);
    config = command_config(command);
    if (!config)
        return EXIT_USAGE;
    code = ask_daemon(command, "selftest", NULL, -1, &result, &error);
    if (code != EXIT_DONE)
        return ask_fail(code, &error);
    check_sockets(config, result);
    check_status(command, result);
    if (command->json) {
        json_object_del(result, "ok");
        json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else {
        show(result, all);
    }
    code = json_integer_value(json_object_get(result, "failed")) ? EXIT_FAILED : EXIT_DONE;
    json_decref(result);
    return code;
}

const struct verb verb_selftest = {"selftest", "whether the filter does what the policy says",
                                   run_selftest};

/* The self-test's other half: what a device of the network meets, and what status knows. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/base/address.h"
#include "resolver/control/daemon.h"
#include "resolver/control/selftest.h"
#include "resolver/control/status.h"
#include "resolver/dns/message.h"

enum { WAIT_MS = 6000 };

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
                          json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:s}", "group", "", "check",
                                    check, "subject", subject, "expected", expected, "found", found,
                                    "tested", 1, "passed", (int)passed, "note", ""));
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

static void check_warning(json_t *result, const char *warning, const char *stale)
{
    bool is_age = *stale != '\0' && strncmp(warning, stale, strlen(stale)) == 0;

    if (is_age)
        check_add(result, SELFTEST_LIST_AGES, warning, "in date", "out of date", false);
    else
        check_add(result, "status", warning, "no warning", "a warning", false);
}

/* What status knows: upstreams that do not answer, lists that are old. */
static int check_status(struct daemon *daemon, json_t *result, struct bl_error *error)
{
    json_t *status = json_object(), *item;
    int code = status == NULL ? -ENOMEM : status_describe(daemon, false, status, error);
    size_t i;

    if (code == 0) {
        const char *stale = member(status, "stale_text");
        json_array_foreach(json_object_get(status, "upstreams"), i, item)
            check_add(result, "upstream", member(item, "address"), "answering",
                      member(item, "state"), strcmp(member(item, "state"), "failing") != 0);
        if (*stale == '\0')
            check_add(result, SELFTEST_LIST_AGES, "", "in date", "in date", true);
        json_array_foreach(json_object_get(status, "warnings"), i, item)
            check_warning(result, json_string_value(item), stale);
    }
    json_decref(status);
    return code;
}

int selftest_outside(struct daemon *daemon, const struct config *config, json_t *reply,
                     struct bl_error *error)
{
    check_sockets(config, reply);
    return check_status(daemon, reply, error);
}

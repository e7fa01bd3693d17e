/* A load tool that keeps a pace: RATE questions a second, evenly, whatever the server does.
 *
 *   paced PORT QUERYFILE SECONDS RATE
 *
 * QUERYFILE has "name TYPE" a line (dnsperf's form). A question's time counts from the moment at
 * which it was due, so one that had to wait because the server or this program was late is told as
 * the wait that a client would have had. Never sleeps: give it a processor of its own. What has no
 * answer within two seconds is lost. Prints one line of JSON, as the load tool of the comparison
 * does: answered, lost, seconds, and the latency in µs (mean, p50, p99, p999).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "blocklists/name.h"
#include "blocklists/types.h"
#include "tests/bench/harness.h"
#include "tests/bench/school.h"

enum {
    SOCKETS = 8,        /* clients, by port; the questions take turns */
    BATCH = 64,         /* received by one system call */
    IDS = 65536,        /* of each client */
    SIZE = 1500,        /* of an answer */
    TIMES_US = 2000000, /* what takes longer is lost */
};

struct question {
    uint16_t len;
    uint8_t packet[SCHOOL_QUESTION_MAX];
};

struct client {
    int socket;
    int64_t due_ns[IDS]; /* when the question of this id was due; 0: answered, or never asked */
};

struct load {
    struct question *questions;
    size_t question_count;
    struct client clients[SOCKETS];
    uint64_t asked, answered;
    double sum_us;
    uint32_t times[TIMES_US]; /* answers by the microseconds that they took */
};

static void questions_read(struct load *load, const char *path)
{
    char text[BL_NAME_TEXT_MAX], type[16];
    FILE *file = fopen(path, "r");
    size_t room = 0;

    if (!file)
        bench_fail("%s: %s", path, strerror(errno));
    while (fscanf(file, "%1020s %15s", text, type) == 2) {
        struct bl_name name;

        if (bl_name_parse(text, strlen(text), &name) != BL_NAME_FINE)
            bench_fail("%s: \"%s\" is no name", path, text);
        if (load->question_count == room) {
            room = room ? 2 * room : 1 << 16;
            load->questions = realloc(load->questions, room * sizeof *load->questions);
            if (!load->questions)
                bench_fail("there is not enough memory for the questions of %s", path);
        }
        struct question *question = &load->questions[load->question_count++];
        question->len = (uint16_t)school_question(question->packet, 0, &name,
                                                  bl_type_number(type, strlen(type)), false);
    }
    fclose(file);
    if (load->question_count == 0)
        bench_fail("%s has no questions", path);
}

static void clients_connect(struct load *load, uint16_t port)
{
    const struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int size = 4 << 20;

    for (int i = 0; i < SOCKETS; i++) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *)&server, sizeof server) < 0)
            bench_fail("port %u: %s", port, strerror(errno));
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        load->clients[i].socket = fd;
    }
}

/* Sends what has become due by `now_ns`. */
static void due_send(struct load *load, int64_t begin_ns, int64_t now_ns, double gap_ns)
{
    for (;;) {
        int64_t due_ns = begin_ns + (int64_t)((double)load->asked * gap_ns);
        struct client *client = &load->clients[load->asked % SOCKETS];
        uint16_t id = (uint16_t)(load->asked / SOCKETS);
        struct question *question = &load->questions[load->asked % load->question_count];

        if (due_ns > now_ns)
            return;
        question->packet[0] = (uint8_t)(id >> 8);
        question->packet[1] = (uint8_t)id;
        client->due_ns[id] = due_ns;
        load->asked++;
        (void)send(client->socket, question->packet, question->len, 0); /* else it is lost */
    }
}

static void answers_receive(struct load *load, struct client *client)
{
    static uint8_t answers[BATCH][SIZE];
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH] = {0};

    for (unsigned i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){answers[i], SIZE};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(client->socket, messages, BATCH, MSG_DONTWAIT, NULL);
    int64_t now_ns = bench_now_ns();
    for (int i = 0; i < count; i++) {
        uint16_t id = (uint16_t)(answers[i][0] << 8 | answers[i][1]);
        int64_t took_us = (now_ns - client->due_ns[id]) / 1000;

        if (messages[i].msg_len < DNS_HEADER || client->due_ns[id] == 0 || took_us >= TIMES_US)
            continue;
        client->due_ns[id] = 0;
        load->times[took_us]++;
        load->sum_us += (double)took_us;
        load->answered++;
    }
}

/* The time within which this share of the answers came. */
static unsigned percentile_us(const struct load *load, double share)
{
    uint64_t seen = 0;
    unsigned us = 0;

    while (us < TIMES_US && (double)(seen += load->times[us]) <= share * (double)load->answered)
        us++;
    return us;
}

int main(int argc, char **argv)
{
    static struct load load;
    int64_t begin_ns, end_ns, last_ns, now_ns;

    if (argc != 5)
        bench_fail("paced PORT QUERYFILE SECONDS RATE");
    int port = atoi(argv[1]);
    double seconds = atof(argv[3]), rate = atof(argv[4]);
    if (port < 1 || port > 65535 || seconds <= 0 || rate <= 0)
        bench_fail("PORT is 1 to 65535; SECONDS and RATE are more than 0");
    questions_read(&load, argv[2]);
    clients_connect(&load, (uint16_t)port);
    begin_ns = bench_now_ns();
    end_ns = begin_ns + (int64_t)(seconds * 1e9);
    last_ns = end_ns + TIMES_US * (int64_t)1000;
    while ((now_ns = bench_now_ns()) < end_ns || (load.answered < load.asked && now_ns < last_ns)) {
        due_send(&load, begin_ns, now_ns < end_ns ? now_ns : end_ns - 1, 1e9 / rate);
        for (int i = 0; i < SOCKETS; i++)
            answers_receive(&load, &load.clients[i]);
    }
    printf("{\"answered\": %" PRIu64 ", \"lost\": %" PRIu64
           ", \"seconds\": %.3f, \"mean_us\": %.1f, "
           "\"p50_us\": %u, \"p99_us\": %u, \"p999_us\": %u}\n",
           load.answered, load.asked - load.answered, seconds,
           load.answered ? load.sum_us / (double)load.answered : 0, percentile_us(&load, .5),
           percentile_us(&load, .99), percentile_us(&load, .999));
    free(load.questions);
    return 0;
}

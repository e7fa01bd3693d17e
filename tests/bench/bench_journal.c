/* What recording a denial costs: nanoseconds per append on the answering thread, and how many the
 * writer moves into the day's segment a second and at how many octets each.
 *
 *     bench-journal [DENIALS [NAMES [CLIENTS [RATE [FOLDER]]]]]
 *
 * Appends come in batches of 64, RATE a second: a worker that answers at full speed reaches some
 * 200,000.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "resolver/denials/journal_format.h"
#include "resolver/denials/records.h"
#include "resolver/denials/writer.h"
#include "tests/support/folder.h"

enum { BATCH = 64 };

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void name_make(uint64_t number, uint8_t out[64])
{
    char label[32];
    int len = snprintf(label, sizeof(label), "host%llu", (unsigned long long)number % 1000);

    out[0] = (uint8_t)len;
    memcpy(out + 1, label, (size_t)len);
    size_t at = 1 + (size_t)len;
    int next = snprintf(label, sizeof(label), "site%llu", (unsigned long long)number);
    out[at++] = (uint8_t)next;
    memcpy(out + at, label, (size_t)next);
    memcpy(out + at + next, "\003com", 5);
}

static int sum_count(void *user, const struct denial_sum *sum)
{
    *(uint64_t *)user += sum->count;
    return 0;
}

static struct legend *legend_make(void)
{
    static const char *const words[] = {"pupils", "gambling", "Gambling"};
    static const uint8_t severities[] = {1};
    struct legend_input input = {words, 1, words + 1, words + 2, severities, 1, 1, 1};
    struct legend *legend;

    if (legend_create(&input, &legend) < 0)
        exit(1);
    return legend;
}

static uint64_t argument(int argc, char **argv, int at, uint64_t otherwise)
{
    return argc > at ? strtoull(argv[at], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    uint64_t count = argument(argc, argv, 1, 1000000), names = argument(argc, argv, 2, 20000);
    uint64_t clients = argument(argc, argv, 3, 400), counted = 0, sum = 0, random = 1;
    char state[FOLDER_ROOM], path[128];
    struct bl_error error = {""};
    struct denials_writer *writer;
    struct journal *journal;
    uint8_t(*wires)[64] = malloc(names * sizeof(*wires));
    uint64_t rate = argument(argc, argv, 4, 250000);
    const char *folder = argc > 5 ? argv[5] : state;
    double append = 0, cpu = seconds(CLOCK_THREAD_CPUTIME_ID), idle = 0;

    for (uint64_t i = 0; i < names; i++)
        name_make(i, wires[i]);
    folder_make(state);
    if (journal_open(folder, 0, &journal, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    struct legend *legend = legend_make();
    journal_legend(journal, legend);
    struct denials_writer_options options = {
        .state = folder, .journals = &journal, .journal_count = 1};
    if (denials_writer_start(&options, &writer, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    usleep(200000);

    int64_t wall_ms = (int64_t)time(NULL) * 1000;
    struct denial denial = {.wall_ms = wall_ms, .qtype = 1, .rule = 1, .policy_version = 1};
    denial.client.bytes[10] = denial.client.bytes[11] = 0xff;
    denial.client.bytes[12] = 10;
    double start = seconds(CLOCK_MONOTONIC), began = start;
    for (uint64_t i = 0; i < count; i++) {
        if (i % BATCH == 0) {
            append += seconds(CLOCK_MONOTONIC) - began;
            double early = start + (double)i / (double)rate - seconds(CLOCK_MONOTONIC);
            idle = seconds(CLOCK_THREAD_CPUTIME_ID);
            if (early > 0.001)
                usleep((useconds_t)(early * 1e6));
            cpu += seconds(CLOCK_THREAD_CPUTIME_ID) - idle;
            began = seconds(CLOCK_MONOTONIC);
        }
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t name = (random >> 33) * (random >> 33 & 1023) / 1024 % names;
        denial.qname = wires[name];
        denial.matched = wires[name] + 1 + wires[name][0];
        denial.client.bytes[14] = (uint8_t)((random >> 20) % clients >> 8);
        denial.client.bytes[15] = (uint8_t)((random >> 20) % clients);
        denial.wall_ms = wall_ms + (int64_t)(i / 128);
        counted += journal_case_is_counted(journal_append(journal, &denial));
    }
    append += seconds(CLOCK_MONOTONIC) - began;
    cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    struct rusage used;
    start = seconds(CLOCK_MONOTONIC);
    denials_writer_stop(writer);
    getrusage(RUSAGE_SELF, &used);
    double move = seconds(CLOCK_MONOTONIC) - start;
    journal_close(journal);
    legend_free(legend);

    struct denials_filter filter = {.until_ms = INT64_MAX};
    struct stat status;
    struct day day;
    day_of(wall_ms, &day);
    start = seconds(CLOCK_MONOTONIC);
    if (denials_sums(folder, &filter, sum_count, &sum, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    double reading = seconds(CLOCK_MONOTONIC) - start;
    snprintf(path, sizeof(path), "%s/denials/%s.mdb", folder, day.text);
    stat(path, &status);
    printf("append: %.0f ns a denial (%.0f ns of processor time), %llu of %llu only counted\n",
           append / (double)count * 1e9, cpu / (double)count * 1e9, (unsigned long long)counted,
           (unsigned long long)count);
    printf("writer: %.2f s to move the rest, %.2f us of processor time a denial over all\n", move,
           ((double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
            (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) - cpu * 1e6) /
               (double)count);
    printf("segment: %.1f octets a denial; roll-ups read in %.3f s, %llu denials in them\n",
           (double)status.st_size / (double)count, reading, (unsigned long long)sum);
    folder_drop(state);
    free(wires);
    return 0;
}

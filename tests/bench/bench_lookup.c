/* What a look-up costs, and compiling what it looks into.
 *
 *     bench-lookup LIST [--json]      LIST: one name a line
 *
 * Names are asked in random order, so that each look-up meets cold cache lines, as a school's
 * questions do. "Opening" is a store opened and its first name found, with its pages in the page
 * cache.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/compile.h"
#include "blocklists/store.h"
#include "tests/bench/harness.h"
#include "tests/support/folder.h"

enum { ASKED = 1 << 20, ROUNDS = 7, PATH = 64 };

struct question {
    uint16_t len;
    uint8_t wire[62];
};

struct bench {
    struct bl_store *store;
    struct question *questions;
    uint64_t sum;
    char path[PATH];
};

static ssize_t file_read(void *user, void *buffer, size_t len, struct bl_error *error)
{
    (void)error;
    return read(*(int *)user, buffer, len);
}

static int64_t private_kib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[128];
    long long kib = 0;

    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "RssAnon: %lld", &kib) == 1)
            break;
    if (status)
        fclose(status);
    return kib;
}

static int list_compile(const char *path, bool json)
{
    struct bl_compile_options options = {.folder = folder_base(), .seed = 1};
    struct bl_compile_source source = {.location = path, .category = "bench"};
    struct bl_read_options how = {.format = "domains"};
    struct bl_read_report report;
    struct bl_compile_result result;
    struct bl_compile *compile;
    struct bl_error error = {""};
    struct bl_sink sink;
    int list = open(path, O_RDONLY | O_CLOEXEC), fd;
    struct bl_input input = {file_read, &list};
    int64_t begun = bench_now_ns(), memory;

    if (list < 0)
        bench_fail("%s cannot be opened", path);
    if (bl_compile_open(&options, &compile, &error) || bl_compile_source(compile, &source, &error))
        bench_fail("%s", error.text);
    sink = bl_compile_sink(compile);
    if (bl_read(&input, &how, &sink, &report, &error))
        bench_fail("%s", error.text);
    memory = private_kib();
    bl_compile_source_end(compile, &report);
    if (bl_compile_finish(compile, &fd, &result, &error))
        bench_fail("%s", error.text);
    close(list);
    bl_compile_close(compile);
    if (!json)
        printf("compiled %llu names in %.2f s, private memory %lld MiB, %.1f octets a name\n",
               (unsigned long long)result.names, (double)(bench_now_ns() - begun) / 1e9,
               (long long)memory / 1024, (double)lseek(fd, 0, SEEK_END) / (double)result.names);
    return fd;
}

/* Names from all over the list; `below` gives each a label more, `other` makes them different ones.
 */
static void questions_make(struct bench *bench, const char *path, bool below, bool other)
{
    FILE *list = fopen(path, "r");
    char line[512], text[600];
    uint64_t state = 1;
    size_t count = 0, lines = 0;

    while (list && fgets(line, sizeof line, list)) {
        size_t at = count < ASKED ? count : random_next(&state) % ++lines;
        struct bl_name name;

        line[strcspn(line, "\r\n")] = '\0';
        if (count < ASKED)
            lines = count + 1;
        snprintf(text, sizeof text, "%s%s%s", below ? "www." : "", line, other ? "x" : "");
        if (at >= ASKED || bl_name_parse(text, strlen(text), &name) != BL_NAME_FINE ||
            name.len > sizeof bench->questions->wire)
            continue;
        count += count < ASKED;
        bench->questions[at].len = name.len;
        memcpy(bench->questions[at].wire, name.wire, name.len);
    }
    if (list)
        fclose(list);
    if (count == 0)
        bench_fail("%s has no names", path);
    for (size_t i = count; i < ASKED; i++)
        bench->questions[i] = bench->questions[i % count];
    for (size_t i = ASKED; i-- > 1;) {
        size_t with = random_next(&state) % (i + 1);
        struct question moved = bench->questions[i];

        bench->questions[i] = bench->questions[with];
        bench->questions[with] = moved;
    }
}

static void find(void *user, size_t count)
{
    struct bench *bench = user;

    for (size_t i = 0; i < count; i++)
        bench->sum +=
            bl_store_find(bench->store, bench->questions[i].wire, bench->questions[i].len, 1).fact;
}

static void reopen(void *user, size_t count)
{
    struct bench *bench = user;
    struct bl_error error;

    for (size_t i = 0; i < count; i++) {
        struct bl_store *store;

        if (bl_store_open(bench->path, &store, &error))
            bench_fail("%s", error.text);
        bench->sum +=
            bl_store_find(store, bench->questions[i].wire, bench->questions[i].len, 1).fact;
        bl_store_close(store);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *what;
        bool below, other;
    } kinds[] = {
        {"look-up, listed", false, false},
        {"look-up, below a listed name", true, false},
        {"look-up, not listed", true, true},
    };
    bool json = argc > 2 && strcmp(argv[2], "--json") == 0;
    struct bench bench = {.sum = 0};
    struct bl_error error;
    uint64_t size;
    int fd;

    if (argc < 2)
        bench_fail("usage: bench-lookup LIST [--json]");
    fd = list_compile(argv[1], json);
    snprintf(bench.path, sizeof bench.path, "/proc/self/fd/%d", fd);
    bench.questions = calloc(ASKED, sizeof *bench.questions);
    if (!bench.questions || bl_store_open(bench.path, &bench.store, &error))
        bench_fail("%s", bench.questions ? error.text : "not enough memory");
    size = bl_store_name_count(bench.store);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct work work = {find, NULL, &bench};
        struct figure figure;

        questions_make(&bench, argv[1], kinds[i].below, kinds[i].other);
        figure = figure_measure(&work, ASKED, ROUNDS);
        figure_print(kinds[i].what, size, &figure, json);
    }
    const struct work opening = {reopen, NULL, &bench};
    struct figure figure = figure_measure(&opening, 50, ROUNDS);

    figure_print("opening", size, &figure, json);
    bl_store_close(bench.store);
    free(bench.questions);
    close(fd);
    return bench.sum == 0; /* so that nothing is left out as unused */
}

/* Downloads from a server of our own that fails in every way (tests/e2e/list_server.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "blocklists/fetch.h"
#include "blocklists/read.h"
#include "tests/support/folder.h"

static char folder[FOLDER_ROOM];
static char cache[64], ca_file[64], bootstrap_server[64];
static const char *bootstrap[] = {bootstrap_server, NULL};
static unsigned http_port, https_port;
static int server_input = -1;
static pid_t server;

static bool ports_read(void)
{
    char path[128];
    unsigned dns_port = 0;
    FILE *file;
    int got = 0;

    snprintf(path, sizeof path, "%s/ports.json", folder);
    file = fopen(path, "r");
    if (file) {
        got = fscanf(file, "{\"http\": %u, \"https\": %u, \"dns\": %u}", &http_port, &https_port,
                     &dns_port);
        fclose(file);
    }
    snprintf(bootstrap_server, sizeof bootstrap_server, "127.0.0.1:%u", dns_port);
    return got == 3;
}

static int set_up(void **state)
{
    int ends[2];

    (void)state;
    folder_make(folder);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    snprintf(cache, sizeof cache, "%s/deep/cache", folder);
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", folder);
    setenv("no_proxy", "*", 1);
    server = fork();
    if (server == 0) {
        dup2(ends[0], STDIN_FILENO);
        execlp("python3", "python3", CHALKGATE_SOURCE_DIR "/tests/e2e/list_server.py", folder,
               NULL);
        _exit(127);
    }
    close(ends[0]);
    server_input = ends[1];
    for (unsigned i = 0; i < 200 && !ports_read(); i++)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    return https_port ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    close(server_input);
    waitpid(server, NULL, 0);
    folder_drop(folder);
    return 0;
}

static const char *url_to(const char *path)
{
    static char urls[8][128];
    static unsigned next;

    next = (next + 1) % 8;
    snprintf(urls[next], sizeof urls[next], "https://lists.test:%u/%s", https_port, path);
    return urls[next];
}

static struct bl_fetch_options options_make(void)
{
    return (struct bl_fetch_options){.cache = cache,
                                     .bootstrap = bootstrap,
                                     .ca_file = ca_file,
                                     .size_max = 1 << 20,
                                     .connect_s = 5,
                                     .stall_s = 1,
                                     .total_s = 3};
}

static struct bl_fetch fetch_one(const char *url, const char *sha256)
{
    struct bl_fetch_options options = options_make();
    struct bl_fetch fetch = {.url = url, .sha256 = sha256};
    struct bl_error error;

    assert_int_equal(bl_fetch_all(&fetch, 1, &options, &error), 0);
    return fetch;
}

/* The size of the copy, or −1. */
static long copy_size(const char *url)
{
    struct stat status = {0};
    int fd = bl_fetch_open(cache, url, NULL);

    if (fd < 0)
        return -1;
    assert_int_equal(fstat(fd, &status), 0);
    close(fd);
    return status.st_size;
}

static void test_good(void **state)
{
    static const char *const paths[] = {"good", "dated", "plain", "packed", "ring.0"};
    long size = 0;

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const char *url = url_to(paths[i]);
        struct bl_fetch fetch = fetch_one(url, NULL);

        if (fetch.outcome != BL_FETCH_NEW)
            fail_msg("%s", fetch.error.text);
        size = size ? size : copy_size(url);
        assert_true(size > 1000);
        assert_int_equal(copy_size(url), size);
        /* Asked again: by its validators, or by what came, the same. */
        fetch = fetch_one(url, NULL);
        assert_int_equal(fetch.outcome, BL_FETCH_SAME);
        assert_int_equal(copy_size(url), size);
        if (strcmp(paths[i], "good") == 0 || strcmp(paths[i], "dated") == 0)
            assert_int_equal(fetch.bytes, 0);
        bl_fetch_forget(cache, url);
        fetch = fetch_one(url, NULL);
        assert_int_equal(fetch.outcome, BL_FETCH_NEW);
    }
}

static void test_failures(void **state)
{
    static const struct {
        const char *path;
        int code;
        const char *words;
    } rows[] = {
        {"nothing", -ENOENT, "the server answered 404 (there is no such list)"},
        {"broken", -EIO, "the server answered 500"},
        {"teapot", -EIO, "the server answered 203"},
        {"unasked", -EIO, "the server answered 304"},
        {"empty", -ENODATA, "the list is empty"},
        {"page", -EILSEQ, "a web page instead of a list"},
        {"cut", -ECONNRESET, "cut off after 5000 octets"},
        {"cut-chunked", -ECONNRESET, "cut off after 2048 octets"},
        {"hang-up", -ECONNRESET, "cut off after 0 octets"},
        {"stall", -ETIMEDOUT, "too slow; 100 octets had come"},
        {"trickle", -ETIMEDOUT, "too slow"},
        {"loop", -ELOOP, "from one address to the next"},
        {"downgrade", -EPROTO, "from https to http"},
        {"elsewhere", -EPROTONOSUPPORT, "by https only"},
        {"large", -EFBIG, "larger than the limit"},
        {"endless", -EFBIG, "larger than the limit"},
    };
    enum { COUNT = sizeof rows / sizeof rows[0] };
    struct bl_fetch_options options = options_make();
    struct bl_fetch fetches[COUNT];
    char urls[COUNT][128];
    struct bl_error error;

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(urls[i], sizeof urls[i], "%s", url_to(rows[i].path));
        fetches[i] = (struct bl_fetch){.url = urls[i]};
    }
    /* All at once: none holds up the others. */
    assert_int_equal(bl_fetch_all(fetches, COUNT, &options, &error), 0);
    for (size_t i = 0; i < COUNT; i++) {
        if (fetches[i].code != rows[i].code || !strstr(fetches[i].error.text, rows[i].words))
            fail_msg("%s: code %d, \"%s\"", rows[i].path, fetches[i].code, fetches[i].error.text);
        assert_int_equal(fetches[i].outcome, BL_FETCH_FAILED);
        assert_memory_equal(fetches[i].error.text, urls[i], strlen(urls[i]));
        assert_int_equal(copy_size(urls[i]), -1);
    }
}

static void test_hash(void **state)
{
    static const char wrong[] = "0000000000000000000000000000000000000000000000000000000000000000";
    const char *url = url_to("plain");
    struct bl_fetch fetch;
    char right[65] = "";
    long size;

    (void)state;
    fetch_one(url, NULL);
    size = copy_size(url);
    fetch = fetch_one(url, wrong);
    assert_int_equal(fetch.code, -EBADMSG);
    memcpy(right, strstr(fetch.error.text, "SHA-256 is ") + 11, 64);
    assert_int_equal(copy_size(url), size); /* the copy from before is still there */
    fetch = fetch_one(url, right);
    assert_int_equal(fetch.outcome, BL_FETCH_SAME);
    assert_int_equal(fetch.bytes, 0); /* nobody was asked */
}

static void test_who_may_be_asked(void **state)
{
    char url[128];
    struct bl_fetch_options options = options_make();
    struct bl_fetch fetch = {.url = url};
    struct bl_error error;

    (void)state;
    snprintf(url, sizeof url, "http://lists.test:%u/good", http_port);
    assert_int_equal(fetch_one(url, NULL).code, -EPROTO);
    options.insecure = true;
    assert_int_equal(bl_fetch_all(&fetch, 1, &options, &error), 0);
    assert_int_equal(fetch.outcome, BL_FETCH_NEW);
    /* A server whose certificate is not to be trusted. */
    options.ca_file = NULL;
    fetch.url = url_to("good");
    assert_int_equal(bl_fetch_all(&fetch, 1, &options, &error), 0);
    assert_int_equal(fetch.outcome, BL_FETCH_FAILED);
    assert_non_null(strstr(fetch.error.text, "certificate"));
    snprintf(url, sizeof url, "https://nobody.test:%u/good", https_port);
    assert_int_equal(fetch_one(url, NULL).code, -EHOSTUNREACH);
    assert_int_equal(fetch_one("ftp://lists.test/x", NULL).code, -EPROTONOSUPPORT);
    assert_int_equal(fetch_one("https://[::1", NULL).code, -EINVAL);
    snprintf(url, sizeof url, "https://lists.test:1/good");
    assert_int_equal(fetch_one(url, NULL).code, -ECONNREFUSED);
}

static void test_folder_that_cannot_be(void **state)
{
    struct bl_fetch_options options = options_make();
    struct bl_fetch fetch = {.url = url_to("good")};
    struct bl_error error;

    (void)state;
    options.cache = "/proc/nothing/here";
    assert_true(bl_fetch_all(&fetch, 1, &options, &error) < 0);
    assert_non_null(strstr(error.text, "/proc/nothing/here"));
}

struct seen {
    unsigned parts;
    char text[512];
};

static int see_part(void *user, const struct bl_part *part, const struct bl_input *input,
                    struct bl_error *error)
{
    struct seen *seen = user;
    size_t used = strlen(seen->text);
    char buffer[100];
    ssize_t got;

    while ((got = input->read(input->user, buffer, sizeof buffer, error)) > 0)
        ;
    seen->parts++;
    snprintf(seen->text + used, sizeof seen->text - used, "%s:%s:%.8s ",
             strchr(part->location, '#') ? strchr(part->location, '#') : "whole", part->category,
             part->licence);
    return (int)got;
}

static void test_as_a_source(void **state)
{
    struct seen seen = {0};
    struct bl_source_visitor visitor = {.user = &seen, .part = see_part};
    struct bl_source_options options = {.bootstrap = bootstrap, .ca_file = ca_file};
    struct bl_error error = {0};

    (void)state;
    assert_int_equal(bl_source_walk(url_to("ut1.tar.gz"), &options, &visitor, &error), 0);
    assert_string_equal(seen.text, "#blacklists/gambling/domains:gambling:CC BY-SA "
                                   "#blacklists/agressif/domains:hate:CC BY-SA ");
    memset(&seen, 0, sizeof seen);
    options.category = "mine";
    assert_int_equal(bl_source_walk(url_to("plain"), &options, &visitor, &error), 0);
    assert_string_equal(seen.text, "whole:mine: ");
    assert_int_equal(bl_source_walk(url_to("page"), &options, &visitor, &error), -EILSEQ);
    options.offline = true;
    options.cache = cache;
    assert_int_equal(bl_source_walk(url_to("good"), &options, &visitor, &error), 0);
    assert_int_equal(bl_source_walk(url_to("cut"), &options, &visitor, &error), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_hash),        cmocka_unit_test(test_who_may_be_asked),
        cmocka_unit_test(test_as_a_source), cmocka_unit_test(test_folder_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/suffix.h"
#include "resolver/config/config.h"

static struct config *load(const char *text)
{
    struct config *config = NULL;
    struct config_faults faults = {0};
    int code = config_load_text("test.yaml", text, strlen(text), &config, &faults);

    for (size_t i = 0; i < faults.count; i++)
        print_error("%s\n", faults.items[i].text);
    assert_int_equal(code, 0);
    return config;
}

static char *printed(const struct config *config)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    assert_int_equal(config_print(config, out), 0);
    fclose(out);
    return text;
}

/* What is printed loads to what prints the same. */
static void assert_stable(const struct config *config)
{
    char *first = printed(config), *second;
    struct config *again = load(first);

    second = printed(again);
    assert_string_equal(first, second);
    assert_int_equal(config->group_count, again->group_count);
    assert_int_equal(config->workers, again->workers);
    for (size_t i = 0; i < config->group_count; i++) {
        assert_int_equal(config->groups[i].extends, again->groups[i].extends);
        assert_int_equal(config->groups[i].deny.category_count,
                         again->groups[i].deny.category_count);
        assert_memory_equal(config->groups[i].deny.categories, again->groups[i].deny.categories,
                            config->groups[i].deny.category_count * sizeof(uint16_t));
    }
    free(first);
    free(second);
    config_free(again);
}

static void shipped_file_works(void **state)
{
    struct config *config = NULL;
    struct config_faults faults = {0};
    struct address_prefix loopback;
    int pupils, staff, server, gambling;

    (void)state;
    if (config_load(CHALKGATE_SOURCE_DIR "/config.yaml", &config, &faults) < 0) {
        for (size_t i = 0; i < faults.count; i++)
            print_error("%s\n", faults.items[i].text);
        fail();
    }
    pupils = config_group_find(config, "pupils");
    staff = config_group_find(config, "staff");
    server = config_group_find(config, "server");
    gambling = config_category_find(config, "gambling");
    assert_true(pupils >= 0 && staff >= 0 && server >= 0 && gambling >= 0);
    assert_true(config_group_find(config, "guests") >= 0);
    assert_true(config_category_find(config, "self-harm") >= 0);
    assert_int_equal(config->categories[config_category_find(config, "extremism")].severity,
                     SEVERITY_URGENT);
    assert_true(config->categories[config_category_find(config, "illegal")].sealed);
    assert_int_equal(config->listen_count, 2);
    assert_int_equal(config->listen[0].port, 53);
    assert_int_equal(config->upstreams[0].address.port, 53);
    assert_int_equal(config->deny_ttl, 10);
    assert_int_equal(config->groups[pupils].safe_search, SAFE_SEARCH_STRICT);
    assert_int_equal(config->groups[server].extends, staff);
    assert_int_equal(config->groups[server].schedule_count, 1);
    assert_int_equal(address_prefix_parse("127.0.0.0/8", &loopback), 0);
    assert_int_equal(config->groups[server].subnets[0].length, loopback.length);
    assert_stable(config);
    config_free(config);
}

static void inheritance(void **state)
{
    static const char TEXT[] = "upstreams: [192.0.2.53]\n"
                               "categories: {a: {}, b: {}, c: {}, d: {}}\n"
                               "groups:\n"
                               "  little:\n"
                               "    extends: big\n"
                               "    deny: [c, sub.x.test]\n"
                               "    allow: [category:a, 'name:Y.test']\n"
                               "    safe-search: 'off'\n"
                               "  tiny: {extends: little, deny: [a]}\n"
                               "  big:\n"
                               "    subnets: [10.0.0.0/8]\n"
                               "    deny: [a, b, x.test, y.test, service:tiktok]\n"
                               "    observe: [d]\n"
                               "    safe-search: strict\n"
                               "    answer: refused\n";
    struct config *config = load(TEXT);
    const struct config_group *little = &config->groups[0], *tiny = &config->groups[1];

    (void)state;
    assert_int_equal(little->subnet_count, 0);
    assert_int_equal(little->deny.category_count, 2);
    assert_int_equal(little->deny.categories[0], 1);
    assert_int_equal(little->deny.categories[1], 2);
    assert_int_equal(little->deny.service_count, 1);
    assert_int_equal(little->deny.name_count, 2); /* sub.x.test and x.test, but y.test is allowed */
    assert_int_equal(little->allow.category_count, 1);
    assert_int_equal(little->observe.category_count, 1);
    assert_int_equal(little->safe_search, SAFE_SEARCH_OFF);
    assert_int_equal(little->answer.kind, ANSWER_REFUSED);
    assert_int_equal(tiny->deny.category_count, 3);
    assert_int_equal(tiny->allow.category_count, 0);
    assert_int_equal(tiny->safe_search, SAFE_SEARCH_OFF);
    assert_stable(config);
    config_free(config);
}

static void every_form(void **state)
{
    static const char TEXT[] =
        "\xef\xbb\xbflisten: [127.0.0.1:5353, '[::1]:5353']\n"
        "workers: 3\n"
        "state: here/state\n"
        "user: chalkgate\n"
        "upstreams:\n"
        "  - {address: 192.0.2.1, transport: tls, tls-name: dns.test}\n"
        "  - address: '[2001:db8::1]:5300'\n"
        "    transport: tcp\n"
        "upstream-timeout: 1500ms\n"
        "forward-zones: {ad.test: [192.0.2.9], '168.192.in-addr.arpa': [192.0.2.9]}\n"
        "records: {printer.test: [192.0.2.7, '2001:db8::7']}\n"
        "cache: {size: 1536KiB, min-ttl: 5, max-ttl: 2h, negative-ttl: 90s}\n"
        "answer: [192.0.2.80, '2001:db8::80']\n"
        "contact: \"Ask \\\"Mr Ngũgĩ\\\": office\\n\"\n"
        "deny-ttl: 1m\n"
        "lists: {keep: 9, stale-after: 14d}\n"
        "logging: {level: debug}\n"
        "roles: {manager: [a, b], viewer: [c], requires-approval: yes}\n"
        "services: {tiktok: {title: Ours, names: [tt.test]}, own: {names: [ö.test]}}\n"
        "categories:\n"
        "  a: {severity: urgent, answer: 'null', sources: [{location: 'https://x.test/l', tier: "
        "national}]}\n"
        "  b:\n"
        "calendar:\n"
        "  time-zone: UTC\n"
        "  terms: {autumn: 2026-09-03..2026-12-18}\n"
        "  holidays: [2026-10-26..2026-10-30, 2028-02-29]\n"
        "  periods:\n"
        "    lessons: {days: [mon-wed, fri], times: [08:50-10:20, 22:00-06:00], when: always}\n"
        "  exceptions:\n"
        "    - {date: 2026-12-18, period: lessons}\n"
        "    - {date: 2026-12-17, school: closed}\n"
        "groups:\n"
        "  one:\n"
        "    subnets: [10.0.0.0/8, '2001:db8::/32', 192.0.2.200]\n"
        "    deny: [a, service:own, x.test]\n"
        "    observe: [b]\n"
        "    walled-garden: true\n"
        "    answer: nodata\n"
        "    schedule:\n"
        "      - {during: [lessons], outside: [lessons], deny: [b], internet: 'no'}\n"
        "  two: {subnets: [10.1.0.0/16]}\n";
    struct config *config = load(TEXT);
    const struct config_period *period = &config->calendar.periods[0];
    char here[4096], path[4200];

    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    snprintf(path, sizeof path, "%s/here/state", here);
    assert_string_equal(config->state, path);
    assert_int_equal(config->workers, 3);
    assert_int_equal(config->upstreams[0].address.port, 853);
    assert_int_equal(config->upstreams[1].address.port, 5300);
    assert_int_equal(config->upstreams[1].transport, TRANSPORT_TCP);
    assert_int_equal(config->upstream_timeout_ms, 1500);
    assert_int_equal(config->cache.size, 1536 * 1024);
    assert_int_equal(config->cache.min_ttl, 5);
    assert_int_equal(config->cache.max_ttl, 7200);
    assert_int_equal(config->answer.address_count, 2);
    assert_string_equal(config->contact, "Ask \"Mr Ngũgĩ\": office\n");
    assert_int_equal(config->keep_generations, 9);
    assert_int_equal(config->log_level, 7);
    assert_string_equal(config->services[config_service_find(config, "tiktok")].title, "Ours");
    assert_int_equal(config->services[config_service_find(config, "tiktok")].name_count, 1);
    assert_true(config_service_find(config, "youtube") >= 0);
    assert_int_equal(config->categories[0].answer.kind, ANSWER_NULL);
    assert_int_equal(config->categories[0].sources[0].tier, BL_TIER_NATIONAL);
    assert_string_equal(config->categories[1].title, "b");
    assert_int_equal(period->days, 0x17);
    assert_int_equal(period->times[1].from, 22 * 60);
    assert_int_equal(config->calendar.terms[0].dates.first, 20699);
    assert_int_equal(config->calendar.exceptions[0].period, 0);
    assert_int_equal(config->calendar.exceptions[1].period, CONFIG_NONE);
    assert_false(config->groups[0].schedule[0].internet);
    assert_true(config->groups[0].walled_garden);
    assert_int_equal(config->groups[1].subnets[0].length, 112);
    assert_stable(config);
    config_free(config);
}

static void line_expect(const char *path, const char *line, const struct config_faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        if (strstr(faults->items[i].text, line))
            return;
    }
    print_error("%s: no fault says: %s\n", path, line);
    for (size_t i = 0; i < faults->count; i++)
        print_error("   %s\n", faults->items[i].text);
    fail();
}

/* Each tests/data/broken-config/X.yaml is refused with the words of X.expected. */
static void broken_files(void **state)
{
    glob_t found;

    (void)state;
    assert_int_equal(glob(CHALKGATE_SOURCE_DIR "/tests/data/broken-config/*.yaml", 0, NULL, &found),
                     0);
    assert_true(found.gl_pathc >= 20);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct config *config = NULL;
        struct config_faults faults = {0};
        char path[4096], line[512];
        FILE *expected;
        size_t len = strlen(found.gl_pathv[i]);
        snprintf(path, sizeof path, "%.*s.expected", (int)(len - 5), found.gl_pathv[i]);
        expected = fopen(path, "r");
        assert_non_null(expected);
        assert_int_equal(config_load(found.gl_pathv[i], &config, &faults), -EINVAL);
        assert_true(faults.count > 0);
        while (fgets(line, sizeof line, expected)) {
            line[strcspn(line, "\n")] = '\0';
            line_expect(found.gl_pathv[i], line, &faults);
        }
        for (size_t j = 0; j < faults.count; j++)
            assert_null(strchr(faults.items[j].text, '\n'));
        fclose(expected);
        config_faults_free(&faults);
    }
    globfree(&found);
}

static void all_at_once(void **state)
{
    struct config *config = NULL;
    struct config_faults faults = {0};
    const char *path = CHALKGATE_SOURCE_DIR "/tests/data/broken-config/several-faults.yaml";

    (void)state;
    assert_int_equal(config_load(path, &config, &faults), -EINVAL);
    assert_int_equal(faults.count, 7);
    for (size_t i = 0; i + 1 < faults.count; i++) /* in the order of the file */
        assert_true(atoi(strstr(faults.items[i].text, ".yaml:") + 6) <
                    atoi(strstr(faults.items[i + 1].text, ".yaml:") + 6));
    config_faults_free(&faults);
}

static void unreadable_files(void **state)
{
    struct config *config = NULL;
    struct config_faults faults = {0};

    (void)state;
    assert_int_equal(config_load("/nonexistent/config.yaml", &config, &faults), -ENOENT);
    assert_int_equal(faults.count, 1);
    assert_string_equal(faults.items[0].text,
                        "/nonexistent/config.yaml: cannot be opened: No such file or directory");
    config_faults_free(&faults);
    assert_int_equal(config_load("/", &config, &faults), -EISDIR);
    config_faults_free(&faults);
    assert_int_equal(config_load("/dev/zero", &config, &faults), -EINVAL);
    config_faults_free(&faults);
    config_faults_free(NULL);
    config_free(NULL);
}

/* A trust with ten thousand groups: linear enough to load in a test. */
static void ten_thousand_groups(void **state)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct config *config;

    (void)state;
    fputs("upstreams: [192.0.2.53]\ncategories: {a: {}, b: {}}\ngroups:\n", out);
    for (int i = 0; i < 10000; i++)
        fprintf(out, "  g%d: {subnets: [10.%d.%d.0/24], deny: [a, b]}\n", i, i / 256, i % 256);
    fclose(out);
    config = load(text);
    assert_int_equal(config->group_count, 10000);
    config_free(config);
    free(text);
}

/* A chain as long as there are groups, in both orders: nothing recurses, and the last one has all.
 */
static void long_chains_of_extends(void **state)
{
    enum { COUNT = 10000 };

    (void)state;
    for (int forward = 0; forward < 2; forward++) {
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        struct config *config;

        fputs("upstreams: [192.0.2.53]\ncategories: {a: {}, b: {}}\ngroups:\n", out);
        for (int i = 0; i < COUNT; i++) {
            int group = forward ? i : COUNT - 1 - i;
            if (group == 0)
                fputs("  g0: {deny: [a, x.test], walled-garden: true}\n", out);
            else
                fprintf(out, "  g%d: {extends: g%d%s}\n", group, group - 1,
                        group == COUNT / 2 ? ", deny: [b], allow: [x.test]" : "");
        }
        fclose(out);
        config = load(text);
        const struct config_group *last = &config->groups[config_group_find(config, "g9999")];
        assert_int_equal(last->deny.category_count, 2);
        assert_int_equal(last->deny.name_count, 0);
        assert_int_equal(last->allow.name_count, 1);
        assert_true(last->walled_garden);
        assert_int_equal(config->groups[config_group_find(config, "g100")].deny.category_count, 1);
        config_free(config);
        free(text);
    }
}

/* Each circle is told of once, however many groups lead into it. */
static void circles_of_extends(void **state)
{
    static const struct {
        const char *groups, *faults[2];
    } cases[] = {
        {"{a: {extends: a}}", {"group \"a\" extends itself"}},
        {"{a: {extends: b}, b: {extends: c}, c: {extends: a}}",
         {"group \"a\" extends itself through \"c\""}},
        {"{x: {extends: y}, y: {extends: b}, a: {extends: b}, b: {extends: a}, z: {extends: x}}",
         {"group \"b\" extends itself through \"a\""}},
        {"{a: {extends: a}, b: {extends: c}, c: {extends: b}}",
         {"group \"a\" extends itself", "group \"b\" extends itself through \"c\""}},
        {"{a: {extends: nobody}}", {"no group \"nobody\""}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_faults faults = {0};
        struct config *config = NULL;
        char text[400];
        snprintf(text, sizeof text, "upstreams: [192.0.2.53]\ngroups: %s\n", cases[i].groups);
        assert_int_equal(config_load_text("test.yaml", text, strlen(text), &config, &faults),
                         -EINVAL);
        assert_int_equal(faults.count, cases[i].faults[1] ? 2 : 1);
        for (size_t j = 0; j < faults.count; j++)
            if (!strstr(faults.items[j].text, cases[i].faults[j]))
                fail_msg("%s: %s", cases[i].groups, faults.items[j].text);
        config_faults_free(&faults);
    }
}

static void difference_keep(void *user, char sign, const char *line)
{
    char *text = user;
    size_t len = strlen(text);

    snprintf(text + len, 2000 - len, "%c %s\n", sign, line);
}

static void differences_are_told(void **state)
{
    static const char HEAD[] = "upstreams: [192.0.2.53]\ncategories: {a: {}, b: {}}\n";
    char text[2000] = "", old_text[500], new_text[500];
    struct config *before, *after;

    (void)state;
    snprintf(old_text, sizeof old_text,
             "%sgroups: {p: {subnets: [10.0.0.0/8], deny: [a]}, gone: {}}\n"
             "calendar: {terms: {t: 2026-09-03..2026-12-18}}\n",
             HEAD);
    snprintf(new_text, sizeof new_text,
             "%sgroups: {p: {subnets: [10.0.0.0/8], deny: [a, b]}}\n"
             "calendar: {terms: {t: 2026-09-04..2026-12-18}}\nworkers: 7\n",
             HEAD);
    before = load(old_text);
    after = load(new_text);
    assert_int_equal(config_difference(before, before, difference_keep, text), 0);
    assert_string_equal(text, "");
    before->workers = 1;
    assert_int_equal(config_difference(before, after, difference_keep, text), 0);
    assert_string_equal(text, "- calendar.terms.t: 2026-09-03..2026-12-18\n"
                              "+ calendar.terms.t: 2026-09-04..2026-12-18\n"
                              "- groups.gone.safe-search: off\n"
                              "- groups.gone.title: gone\n"
                              "- groups.gone.walled-garden: false\n"
                              "+ groups.p.deny: [category:a, category:b]\n"
                              "- groups.p.deny: [category:a]\n"
                              "- workers: 1\n"
                              "+ workers: 7\n");
    config_free(before);
    config_free(after);
}

/* IPv4 addresses are written inside ::/0, and are yet no part of it. */
static void families_do_not_overlap(void **state)
{
    static const char EVERYONE[] = "upstreams: [192.0.2.53]\n"
                                   "groups: {all: {subnets: [0.0.0.0/0, '::/0']}}\n";
    static const char WITHIN[] = "upstreams: [192.0.2.53]\n"
                                 "groups: {all: {subnets: [10.0.0.0/8, '::/0', 'fd00::/8']}}\n";
    struct config_faults faults = {0};
    struct config *config = load(EVERYONE);

    (void)state;
    assert_int_equal(config->groups[0].subnet_count, 2);
    config_free(config);
    assert_int_equal(config_load_text("test.yaml", WITHIN, strlen(WITHIN), &config, &faults),
                     -EINVAL);
    assert_int_equal(faults.count, 1);
    assert_non_null(strstr(faults.items[0].text, "subnet fd00::/8 overlaps ::/0"));
    config_faults_free(&faults);
}

static void doubt_count(void *user, const char *sentence)
{
    char *told = user;

    strcat(told, sentence);
    strcat(told, "\n");
}

/* Times written the wrong way round make a night of nearly a day; a night is none. */
static void what_may_be_a_slip(void **state)
{
    static const char TEXT[] =
        "upstreams: [192.0.2.53]\n"
        "calendar:\n"
        "  periods:\n"
        "    lessons: {times: [15:20-13:10]}\n"
        "    night: {times: [18:00-08:00]}\n"
        "    closed: {times: [15:00-09:00]}\n"
        "    day: {times: [00:00-24:00]}\n"
        "  exceptions: [{date: 2026-12-18, period: night, times: [12:00-08:50]}]\n"
        "groups: {all: {subnets: [10.0.0.0/8]}}\n";
    struct config *config = load(TEXT);
    char told[1000] = "";

    (void)state;
    config_doubts(config, doubt_count, told);
    assert_string_equal(
        told, "period \"lessons\": 15:20-13:10 ends before it begins, and so lasts until the next "
              "day. If that is meant, please write 15:20-24:00 and 00:00-13:10\n"
              "period \"night\": 12:00-08:50 ends before it begins, and so lasts until the next "
              "day. If that is meant, please write 12:00-24:00 and 00:00-08:50\n");
    config_free(config);
}

/* A service's name that is a suffix under which anybody registers would deny what nobody meant. */
static void shipped_services_are_sound(void **state)
{
    struct config *config = load("upstreams: [192.0.2.53]\ngroups: {a: {}}\n");
    char seen[BL_NAME_TEXT_MAX];

    (void)state;
    assert_true(config->service_count >= 80);
    for (size_t i = 0; i < config->service_count; i++) {
        const struct config_service *service = &config->services[i];
        assert_true(service->shipped && *service->title && service->name_count > 0);
        for (size_t j = 0; j < service->name_count; j++) {
            const uint8_t *name = service->names[j];
            struct bl_name parsed;
            bl_name_text(name, seen);
            assert_int_equal(bl_name_parse(seen, strlen(seen), &parsed), BL_NAME_FINE);
            if (suffix_of(&parsed) != SUFFIX_NONE)
                fail_msg("%s: %s is a public suffix", service->name, seen);
            for (size_t k = 0; k < service->name_count; k++)
                if (k != j && bl_name_is_below(name, service->names[k]))
                    fail_msg("%s: %s is covered by another of its names", service->name, seen);
        }
    }
    config_free(config);
}

static void manual_has_every_key(void **state)
{
    static const char *const PATHS[] = {"`listen`",
                                        "`cache.size`",
                                        "`groups.NAME.deny`",
                                        "`calendar.periods.NAME.times`",
                                        "`upstreams.address`",
                                        "`roles.manager`"};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    assert_int_equal(config_keys_print(out), 0);
    fclose(out);
    for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++)
        assert_non_null(strstr(text, PATHS[i]));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_file_works),   cmocka_unit_test(inheritance),
        cmocka_unit_test(every_form),           cmocka_unit_test(broken_files),
        cmocka_unit_test(all_at_once),          cmocka_unit_test(unreadable_files),
        cmocka_unit_test(ten_thousand_groups),  cmocka_unit_test(long_chains_of_extends),
        cmocka_unit_test(circles_of_extends),   cmocka_unit_test(manual_has_every_key),
        cmocka_unit_test(differences_are_told), cmocka_unit_test(families_do_not_overlap),
        cmocka_unit_test(what_may_be_a_slip),   cmocka_unit_test(shipped_services_are_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

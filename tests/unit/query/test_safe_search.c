#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "resolver/query/safe_search.h"

struct row {
    const char *name;
    enum config_safe_search level;
    const char *host; /* "": denied; NULL: left alone */
};

static const struct row ROWS[] = {
    {"www.google.com", SAFE_SEARCH_STRICT, "forcesafesearch.google.com"},
    {"www.google.com", SAFE_SEARCH_MODERATE, "forcesafesearch.google.com"},
    {"www.google.com", SAFE_SEARCH_OFF, NULL},
    {"google.co.uk", SAFE_SEARCH_STRICT, "forcesafesearch.google.com"},
    {"www.google.com.vc", SAFE_SEARCH_STRICT, "forcesafesearch.google.com"},
    {"mail.google.com", SAFE_SEARCH_STRICT, NULL},
    {"forcesafesearch.google.com", SAFE_SEARCH_STRICT, NULL},
    {"notgoogle.com", SAFE_SEARCH_STRICT, NULL},
    {"www.youtube.com", SAFE_SEARCH_STRICT, "restrict.youtube.com"},
    {"youtubei.googleapis.com", SAFE_SEARCH_MODERATE, "restrictmoderate.youtube.com"},
    {"www.bing.com", SAFE_SEARCH_MODERATE, "strict.bing.com"},
    {"a.explicit.bing.net", SAFE_SEARCH_STRICT, ""},
    {"explicit.bing.net", SAFE_SEARCH_MODERATE, NULL},
    {"duckduckgo.com", SAFE_SEARCH_STRICT, "safe.duckduckgo.com"},
    {"html.duckduckgo.com", SAFE_SEARCH_STRICT, ""},
    {"ya.ru", SAFE_SEARCH_STRICT, "familysearch.yandex.ru"},
    {"uk.search.yahoo.com", SAFE_SEARCH_STRICT, ""},
    {"uk.search.yahoo.com", SAFE_SEARCH_MODERATE, NULL},
    {"search.brave.com", SAFE_SEARCH_STRICT, "forcesafe.search.brave.com"},
    {"www.google.de", SAFE_SEARCH_MODERATE, "forcesafesearch.google.com"},
    {"google.com.au", SAFE_SEARCH_STRICT, "forcesafesearch.google.com"},
    {"www.google.co.zw", SAFE_SEARCH_STRICT, "forcesafesearch.google.com"},
    {"yandex.com.tr", SAFE_SEARCH_STRICT, "familysearch.yandex.ru"},
    {"www.ecosia.org", SAFE_SEARCH_MODERATE, "strict-safe-search.ecosia.org"},
    {"pixabay.com", SAFE_SEARCH_STRICT, "safesearch.pixabay.com"},
    {"api.qwant.com", SAFE_SEARCH_STRICT, "safeapi.qwant.com"},
    {"lite.qwant.com", SAFE_SEARCH_STRICT, ""},
    {"www.startpage.com", SAFE_SEARCH_STRICT, "safe.startpage.com"},
    {"com", SAFE_SEARCH_STRICT, NULL},
    {"a.b", SAFE_SEARCH_STRICT, NULL},
};

static struct safe_search *shipped(void)
{
    struct bl_error error = {0};
    struct safe_search *search = NULL;

    if (safe_search_create(safe_search_shipped, safe_search_shipped_len, &search, &error) < 0)
        print_error("%s\n", error.text);
    assert_non_null(search);
    return search;
}

static void test_shipped(void **state)
{
    struct safe_search *search = shipped();

    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const struct row *row = &ROWS[i];
        char text[BL_NAME_TEXT_MAX] = "";
        struct safe_form form = {0};
        struct bl_name name;
        bool found;
        assert_int_equal(bl_name_parse(row->name, strlen(row->name), &name), BL_NAME_FINE);
        found = safe_search_find(search, name.wire, name.len, row->level, &form);
        if (found && form.host)
            bl_name_text(form.host->wire, text);
        if (found != (row->host != NULL) || (found && strcmp(text, row->host) != 0))
            fail_msg("%s: '%s', not '%s'", row->name, found ? text : "-",
                     row->host ? row->host : "-");
    }
    safe_search_free(search);
}

/* A host that is rewritten itself would send devices in a circle; and one engine's host must not be
 * denied as another engine. */
static void test_hosts_are_left_alone(void **state)
{
    static const char *const HOSTS[] = {
        "forcesafesearch.google.com",
        "restrict.youtube.com",
        "restrictmoderate.youtube.com",
        "strict.bing.com",
        "safe.duckduckgo.com",
        "familysearch.yandex.ru",
        "strict-safe-search.ecosia.org",
        "safesearch.pixabay.com",
        "forcesafe.search.brave.com",
        "safeapi.qwant.com",
        "safe.startpage.com",
    };
    struct safe_search *search = shipped();
    struct safe_form form;
    struct bl_name name;

    (void)state;
    for (size_t i = 0; i < sizeof HOSTS / sizeof *HOSTS; i++) {
        assert_int_equal(bl_name_parse(HOSTS[i], strlen(HOSTS[i]), &name), BL_NAME_FINE);
        assert_false(safe_search_find(search, name.wire, name.len, SAFE_SEARCH_STRICT, &form));
    }
    safe_search_free(search);
}

static void test_bad_text(void **state)
{
    static const char *const TEXTS[] = {
        "names a.example.test\n",                          /* of no engine */
        "engine E\nsafe\n",                                /* no host */
        "engine E\nnames a..test\n",                       /* no name */
        "engine E\nsave a.test\n",                         /* no verb */
        "engine E\nnames a.example.test a.example.test\n", /* twice */
        "engine E\nsuffixes\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        struct bl_error error = {0};
        struct safe_search *search = NULL;
        int code =
            safe_search_create((const unsigned char *)TEXTS[i], strlen(TEXTS[i]), &search, &error);
        assert_true(code < 0);
        assert_non_null(strstr(error.text, "safe_search.txt"));
        assert_null(search);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_hosts_are_left_alone),
        cmocka_unit_test(test_bad_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A state folder that goes again, a legend, and denials to put in journals. */
#ifndef TESTS_UNIT_DENIALS_FIXTURE_H
#define TESTS_UNIT_DENIALS_FIXTURE_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "resolver/denials/journal.h"
#include "tests/support/folder.h"

static inline struct legend *fixture_legend(uint32_t version)
{
    static const char *const groups[] = {"pupils", "staff", "guests"};
    static const char *const categories[] = {"ads", "gambling", "adult", "self-harm"};
    static const char *const titles[] = {"Advertising", "Gambling", "Adult content",
                                         "Self-harm and suicide"};
    static const uint8_t severities[] = {0, 1, 2, 3};
    struct legend_input input = {groups, 3, categories, titles, severities, 4, version, 17};
    struct legend *legend;

    assert_int_equal(legend_create(&input, &legend), 0);
    return legend;
}

/* "www.site.test" in wire form. */
static inline uint8_t *wire(const char *text, uint8_t out[256])
{
    uint8_t *length = out, *at = out + 1;

    for (; *text != '\0'; text++) {
        if (*text == '.') {
            *length = (uint8_t)(at - length - 1);
            length = at++;
        } else {
            *at++ = (uint8_t)*text;
        }
    }
    *length = (uint8_t)(at - length - 1);
    *at = 0;
    return out;
}

static inline struct denial fixture_denial(const uint8_t *qname, int64_t wall_ms, unsigned host)
{
    struct denial denial = {.wall_ms = wall_ms,
                            .group = 0,
                            .category = 1,
                            .qtype = 1,
                            .rule = 1,
                            .policy_version = 3,
                            .generation = 17,
                            .qname = qname,
                            .matched = qname};

    denial.client.bytes[10] = denial.client.bytes[11] = 0xff;
    denial.client.bytes[12] = 10;
    denial.client.bytes[13] = 1;
    denial.client.bytes[14] = (uint8_t)(host >> 8);
    denial.client.bytes[15] = (uint8_t)host;
    return denial;
}

#endif

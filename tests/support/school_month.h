/* A made month of a school's denials: pupils' pages with adverts in them, telephones that chatter
 * day and night, games at break, slips of the finger; and planted in it what a coordinator must
 * find, and noise in serious categories that she must not be bothered with.
 *
 * The same seed makes the same month. Names come from UT1 lists where the folder is given, so that
 * reports are tried on names as they are, and are made up otherwise.
 */
#ifndef TESTS_SUPPORT_SCHOOL_MONTH_H
#define TESTS_SUPPORT_SCHOOL_MONTH_H

#include <stdint.h>

#include "resolver/denials/denial.h"
#include "resolver/denials/journal.h"

/* What is planted: on the weekday that is the given number of school days from the month's last. */
enum { PLANT_COUNT = 5 };

struct school_plant {
    const char *client, *category;
    int days_before_last; /* 0: the last school day of the month */
    int first_minute;     /* since midnight */
    const char *what;
};

extern const struct school_plant school_plants[PLANT_COUNT]; /* must come out on top */
extern const struct school_plant school_noise[3];            /* must not: all days */

struct school_month {
    int64_t first_day_ms; /* any moment of the first day; days are local */
    unsigned days;        /* 28 */
    unsigned devices;     /* of pupils; 200 */
    unsigned seed;
    const char *ut1; /* folder, or NULL */
};

struct legend *school_legend(void);

/* Appends the month to the journal, day by day; `flush` is called after every few thousand. */
void school_month_make(const struct school_month *month, struct journal *journal,
                       void (*flush)(void *user), void *user);

#endif

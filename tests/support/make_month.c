/* make-month STATE [DEVICES [UT1-FOLDER [DAYS [LAST-DAY]]]]: a made month of denials in a state
 * folder, ending on that day, or today. Tells what is planted in it, a line each: "incident" or
 * "noise", the device, the category and what it is, with tabs between. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "resolver/denials/day.h"
#include "resolver/denials/writer.h"
#include "tests/support/school_month.h"

static void flush(void *user)
{
    struct bl_error error = {""};

    if (denials_writer_flush(user, &error) < 0) {
        fprintf(stderr, "make-month: %s\n", error.text);
        exit(1);
    }
}

static void plant_tell(const char *what, const struct school_plant *plant)
{
    printf("%s\t%s\t%s\t%s\n", what, plant->client, plant->category, plant->what);
}

int main(int argc, char **argv)
{
    struct bl_error error = {""};
    struct denials_writer *writer;
    struct journal *journal;

    if (argc < 2)
        return fprintf(stderr,
                       "usage: make-month STATE [DEVICES [UT1-FOLDER [DAYS [LAST-DAY]]]]\n"),
               2;
    unsigned days = argc > 4 ? (unsigned)atoi(argv[4]) : 28;
    struct day last;
    if (argc <= 5)
        day_of((int64_t)time(NULL) * 1000, &last);
    else if (day_parse(argv[5], &last) < 0)
        return fprintf(stderr, "make-month: %s is no day\n", argv[5]), 2;
    /* From noon to noon: a clock that changes in between makes no difference. */
    struct school_month month = {.first_day_ms =
                                     last.start_ms + 43200000 - (int64_t)(days - 1) * 86400000,
                                 .days = days,
                                 .devices = argc > 2 ? (unsigned)atoi(argv[2]) : 200,
                                 .seed = 1,
                                 .ut1 = argc > 3 && argv[3][0] != '\0' ? argv[3] : NULL};
    struct legend *legend = school_legend();
    if (legend == NULL || journal_open(argv[1], 0, &journal, &error) < 0)
        return fprintf(stderr, "make-month: %s\n", error.text), 1;
    journal_legend(journal, legend);
    struct denials_writer_options options = {
        .state = argv[1], .journals = &journal, .journal_count = 1, .interval_ms = 60000};
    if (denials_writer_start(&options, &writer, &error) < 0)
        return fprintf(stderr, "make-month: %s\n", error.text), 1;
    school_month_make(&month, journal, flush, writer);
    denials_writer_stop(writer);
    journal_close(journal);
    legend_free(legend);
    for (size_t i = 0; i < PLANT_COUNT; i++)
        plant_tell("incident", &school_plants[i]);
    for (size_t i = 0; i < sizeof(school_noise) / sizeof(school_noise[0]); i++)
        plant_tell("noise", &school_noise[i]);
    return 0;
}

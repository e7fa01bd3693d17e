/* make-month STATE [DEVICES [UT1-FOLDER [DAYS]]]: a made month of denials in a state folder, ending
 * today. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

int main(int argc, char **argv)
{
    struct bl_error error = {""};
    struct denials_writer *writer;
    struct journal *journal;

    if (argc < 2)
        return fprintf(stderr, "usage: make-month STATE [DEVICES [UT1-FOLDER [DAYS]]]\n"), 2;
    unsigned days = argc > 4 ? (unsigned)atoi(argv[4]) : 28;
    struct school_month month = {.first_day_ms =
                                     ((int64_t)time(NULL) - (int64_t)(days - 1) * 86400) * 1000,
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
    return 0;
}

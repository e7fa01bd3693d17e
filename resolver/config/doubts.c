#include <stdio.h>

#include "resolver/config/config.h"

enum { DAY_MIN = 24 * 60, NIGHT_MOST_MIN = 18 * 60 };

static void times_doubt(const char *period, const struct config_times *times, size_t count,
                        void (*each)(void *user, const char *sentence), void *user)
{
    for (size_t i = 0; i < count; i++) {
        unsigned from = times[i].from, to = times[i].to;
        char sentence[300];
        if (to > from || to + DAY_MIN - from <= NIGHT_MOST_MIN)
            continue;
        snprintf(sentence, sizeof sentence,
                 "period \"%.60s\": %02u:%02u-%02u:%02u ends before it begins, and so lasts until "
                 "the next day. If that is meant, please write %02u:%02u-24:00 and 00:00-%02u:%02u",
                 period, from / 60, from % 60, to / 60, to % 60, from / 60, from % 60, to / 60,
                 to % 60);
        each(user, sentence);
    }
}

void config_doubts(const struct config *config, void (*each)(void *user, const char *sentence),
                   void *user)
{
    const struct config_calendar *calendar = &config->calendar;

    for (size_t i = 0; i < calendar->period_count; i++)
        times_doubt(calendar->periods[i].name, calendar->periods[i].times,
                    calendar->periods[i].time_count, each, user);
    for (size_t i = 0; i < calendar->exception_count; i++) {
        const struct config_exception *exception = &calendar->exceptions[i];
        if (exception->period != CONFIG_NONE)
            times_doubt(calendar->periods[exception->period].name, exception->times,
                        exception->time_count, each, user);
    }
}

#include "resolver/base/civil.h"

#include <ctype.h>

/* Years are counted from March, so that the leap day is the last of its year, in eras of 400 years.
 */
int32_t civil_days(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year;
    int era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void civil_date(int32_t days, int *out_year, int *out_month, int *out_day)
{
    int32_t shifted = days + 719468;
    int32_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int32_t of_era = shifted - era * 146097;
    int32_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int32_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int32_t from_march = (5 * of_year + 2) / 153;

    *out_day = of_year - (153 * from_march + 2) / 5 + 1;
    *out_month = from_march < 10 ? from_march + 3 : from_march - 9;
    *out_year = years + era * 400 + (*out_month <= 2);
}

int civil_weekday(int32_t days)
{
    return (int)(((days + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

static bool digits(const char *text, int count, int *out)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        value = 10 * value + (text[i] - '0');
    }
    *out = value;
    return true;
}

bool civil_parse(const char *text, int32_t *out_days)
{
    int year, month, day, y, m, d;
    int32_t days;

    if (!digits(text, 4, &year) || text[4] != '-' || !digits(text + 5, 2, &month) ||
        text[7] != '-' || !digits(text + 8, 2, &day) || year < 1970 || month < 1 || month > 12 ||
        day < 1 || day > 31)
        return false;
    days = civil_days(year, month, day);
    civil_date(days, &y, &m, &d);
    if (m != month || d != day)
        return false;
    *out_days = days;
    return true;
}

#include "tools/report_chart.h"

#include <inttypes.h>
#include <string.h>

#include "blocklists/name.h"
#include "tools/denial_show.h"

enum {
    WIDTH = 640,
    COLUMNS_HEIGHT = 200,
    AXIS = 24,
    LEFT = 66,
    ROW = 26,
    LABEL = 210,
    NUMBER = 70
};

static uint64_t most_of(const struct chart_bar *bars, size_t count)
{
    uint64_t most = 0;

    for (size_t i = 0; i < count; i++)
        most = bars[i].value > most ? bars[i].value : most;
    return most;
}

/* The least round number (1, 2, 5 × 10^n) that is not below. */
static uint64_t round_up(uint64_t value)
{
    static const uint64_t steps[] = {1, 2, 5};
    uint64_t ten = 1;

    for (;; ten *= 10)
        for (int i = 0; i < 3; i++)
            if (steps[i] * ten >= value)
                return steps[i] * ten;
}

/* Says in words what the bars show. */
static void open_svg(FILE *out, const char *id, const char *title, int height,
                     const struct chart_bar *bars, size_t count)
{
    char number[32];
    size_t top = 0;

    for (size_t i = 1; i < count; i++)
        top = bars[i].value > bars[top].value ? i : top;
    fprintf(out,
            "<svg role=\"img\" aria-labelledby=\"%s-t %s-d\" viewBox=\"0 0 %d %d\" "
            "preserveAspectRatio=\"xMidYMid meet\"><title id=\"%s-t\">",
            id, id, WIDTH, height, id);
    show_html(out, title);
    fprintf(out, "</title><desc id=\"%s-d\">", id);
    if (count > 0) {
        fputs("Most: ", out);
        show_html(out, bars[top].label);
        fprintf(out, ", %s. All numbers stand in the table below.",
                show_count(bars[top].value, number));
    }
    fputs("</desc>", out);
}

static const char *shade_class(int shade)
{
    static const char *const classes[] = {"bar", "pale", "strong"};

    return classes[shade];
}

void chart_columns(FILE *out, const char *id, const char *title, const struct chart_bar *bars,
                   size_t count, unsigned every)
{
    uint64_t top = round_up(most_of(bars, count));
    int height = COLUMNS_HEIGHT - 2 * AXIS;
    double step = (double)(WIDTH - LEFT) / (double)(count > 0 ? count : 1);
    char number[32];

    open_svg(out, id, title, COLUMNS_HEIGHT, bars, count);
    for (int i = 0; i <= 2; i++) {
        int y = AXIS + height * i / 2;
        if (i == 1 && top % 2 != 0)
            continue;
        fprintf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", LEFT, WIDTH,
                y, y);
        fprintf(out, "<text class=\"num\" x=\"%d\" y=\"%d\">%s</text>", LEFT - 6, y + 5,
                show_count(top * (uint64_t)(2 - i) / 2, number));
    }
    for (size_t i = 0; i < count; i++) {
        double x = LEFT + step * (double)i;
        double tall = top > 0 ? (double)bars[i].value * height / (double)top : 0;
        if (bars[i].value > 0 && tall < 1)
            tall = 1;
        fprintf(
            out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>",
            shade_class(bars[i].shade), x + step * 0.12, AXIS + height - tall, step * 0.76, tall);
        show_html(out, bars[i].label);
        fprintf(out, ": %s</title></rect>", show_count(bars[i].value, number));
        if (i % every == 0) {
            fprintf(out, "<text class=\"mid\" x=\"%.1f\" y=\"%d\">", x + step / 2,
                    COLUMNS_HEIGHT - 6);
            show_html(out, bars[i].label);
            fputs("</text>", out);
        }
    }
    fputs("</svg>\n", out);
}

/* A label that fits: long names lose their beginning. */
static void label_put(FILE *out, const char *label)
{
    enum { FITS = 27 };
    char text[BL_NAME_TEXT_MAX + 8];
    size_t len = strlen(label);

    if (len <= FITS)
        snprintf(text, sizeof(text), "%s", label);
    else if (strchr(label, ' ') != NULL)
        snprintf(text, sizeof(text), "%.*s…", FITS - 1, label);
    else
        snprintf(text, sizeof(text), "…%s", label + len - FITS + 1);
    show_html(out, text);
}

void chart_rows(FILE *out, const char *id, const char *title, const struct chart_bar *bars,
                size_t count)
{
    uint64_t top = most_of(bars, count);
    double room = WIDTH - LABEL - NUMBER;
    char number[32];

    open_svg(out, id, title, (int)count * ROW + 8, bars, count);
    for (size_t i = 0; i < count; i++) {
        int y = (int)i * ROW + 4;
        double wide = top > 0 ? (double)bars[i].value * room / (double)top : 0;
        fprintf(out, "<text class=\"end\" x=\"%d\" y=\"%d\">", LABEL - 8, y + 17);
        label_put(out, bars[i].label);
        fprintf(out, "</text><rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
                shade_class(bars[i].shade), LABEL, y + 3, wide < 1 ? 1 : wide, ROW - 8);
        fprintf(out, "<text x=\"%.1f\" y=\"%d\">%s</text>", LABEL + wide + 6, y + 17,
                show_count(bars[i].value, number));
    }
    fputs("</svg>\n", out);
}

#include "svg.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 760, HEIGHT = 420, LEFT = 70, RIGHT = 240, TOP = 40, BOTTOM = 50, TICK = 5 };

static const char *const colours[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd",
                                      "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f"};
enum { COLOURS = sizeof colours / sizeof *colours };

/* One axis: from least to most, over `size` pixels. */
struct axis {
    double least, most;
    bool log;
};

unsigned svg_series(struct svg_chart *chart, const char *format, ...)
{
    va_list arguments;
    unsigned i = chart->n < SVG_SERIES ? chart->n++ : SVG_SERIES - 1;
    va_start(arguments, format);
    (void)vsnprintf(chart->series[i].name, sizeof chart->series[i].name, format, arguments);
    va_end(arguments);
    return i;
}

void svg_add(struct svg_chart *chart, unsigned series, double x, double y)
{
    struct svg_series *s = &chart->series[series];
    if (s->n < SVG_POINTS) {
        s->x[s->n] = x;
        s->y[s->n++] = y;
    }
}

/* ---- axes ---- */

static void include(struct axis *axis, double value)
{
    if (axis->log && value <= 0)
        return;
    axis->least = value < axis->least ? value : axis->least;
    axis->most = value > axis->most ? value : axis->most;
}

/* The least of 1, 2, 5, 10, ... that makes at most ten parts. */
static double step_of(double range)
{
    double step = pow(10, floor(log10(range / 10)));
    const double factors[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++)
        if (range / (step * factors[i]) <= 10)
            return step * factors[i];
    return step * 10;
}

static void round_axis(struct axis *axis)
{
    if (axis->log) {
        axis->least = pow(10, floor(log10(axis->least) + 1e-9));
        axis->most = pow(10, ceil(log10(axis->most) - 1e-9));
        return;
    }
    double step = step_of(axis->most > 0 ? axis->most : 1);
    axis->least = 0;
    axis->most = ceil(axis->most / step) * step;
}

static double place(const struct axis *axis, double value)
{
    if (axis->log)
        return log(value / axis->least) / log(axis->most / axis->least);
    return (value - axis->least) / (axis->most - axis->least);
}

static double x_of(const struct axis *axis, double value)
{
    return LEFT + place(axis, value) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct axis *axis, double value)
{
    return HEIGHT - BOTTOM - place(axis, value) * (HEIGHT - TOP - BOTTOM);
}

/* ---- writing ---- */

static void write_number(FILE *file, double value)
{
    if (value >= 1e6)
        fprintf(file, "%gM", value / 1e6);
    else if (value >= 1e4)
        fprintf(file, "%gk", value / 1e3);
    else
        fprintf(file, "%g", value);
}

static void x_tick(FILE *file, const struct axis *axis, double value)
{
    double x = x_of(axis, value);
    fprintf(file, "<path class=\"g\" d=\"M%.1f %dV%d\"/>", x, TOP, HEIGHT - BOTTOM + TICK);
    fprintf(file, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", x, HEIGHT - BOTTOM + 18);
    write_number(file, value);
    fprintf(file, "</text>\n");
}

static void y_tick(FILE *file, const struct axis *axis, double value)
{
    double y = y_of(axis, value);
    fprintf(file, "<path class=\"g\" d=\"M%d %.1fH%d\"/>", LEFT - TICK, y, WIDTH - RIGHT);
    fprintf(file, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - TICK - 3, y + 4);
    write_number(file, value);
    fprintf(file, "</text>\n");
}

/* At each power of ten; over few of them also at twice and five times that. */
static void write_log_ticks(FILE *file, const struct axis *axis,
                            void (*tick)(FILE *, const struct axis *, double))
{
    const double factors[] = {1, 2, 5};
    int n = axis->most / axis->least < 101 ? 3 : 1;
    for (double power = axis->least; power <= axis->most * 1.001; power *= 10)
        for (int i = 0; i < n && power * factors[i] <= axis->most * 1.001; i++)
            tick(file, axis, power * factors[i]);
}

static void write_ticks(FILE *file, const struct axis *axis,
                        void (*tick)(FILE *, const struct axis *, double))
{
    double step = step_of(axis->most - axis->least);
    if (axis->log)
        write_log_ticks(file, axis, tick);
    else
        for (double at = axis->least; at <= axis->most * 1.001; at += step)
            tick(file, axis, at);
}

/* The ticks of a few whole numbers, as 1, 2, 4, ... workers, are these numbers. */
static void write_x_ticks(FILE *file, const struct axis *axis, const struct svg_series *s)
{
    if (!axis->log || s->x[s->n - 1] > 1000)
        write_ticks(file, axis, x_tick);
    else
        for (unsigned i = 0; i < s->n; i++)
            x_tick(file, axis, s->x[i]);
}

/* The second half of the curves is dashed: of two that lie on each other, both show. */
static void write_curve(FILE *file, const struct svg_chart *chart, unsigned i,
                        const struct axis axes[2])
{
    const struct svg_series *s = &chart->series[i];
    const char *colour = colours[i % COLOURS],
               *dash = i >= (chart->n + 1) / 2 ? " stroke-dasharray=\"6 5\"" : "";
    fprintf(file, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"%s\"%s points=\"", colour,
            dash);
    for (unsigned p = 0; p < s->n; p++)
        fprintf(file, "%s%.1f,%.1f", p ? " " : "", x_of(&axes[0], s->x[p]),
                y_of(&axes[1], s->y[p]));
    double y = TOP + 10 + 18.0 * i, x = WIDTH - RIGHT + 12;
    fprintf(file, "\"/>\n<path stroke=\"%s\"%s stroke-width=\"2\" d=\"M%.0f %.0fh24\"/>", colour,
            dash, x, y);
    fprintf(file, "<text x=\"%.0f\" y=\"%.0f\">%s</text>\n", x + 30, y + 4, s->name);
}

static void write_titles(FILE *file, const struct svg_chart *chart)
{
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\""
            "sans-serif\" font-size=\"12\">\n<style>.g{stroke:#ccc;fill:none}</style>\n"
            "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    fprintf(file, "<text x=\"%d\" y=\"22\" font-size=\"15\">%s</text>\n", LEFT, chart->title);
    fprintf(file, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, chart->x_title);
    fprintf(file, "<text transform=\"translate(16 %d)rotate(-90)\" text-anchor=\"middle\">",
            (TOP + HEIGHT - BOTTOM) / 2);
    fprintf(file, "%s</text>\n", chart->y_title);
}

static void write_chart(FILE *file, const struct svg_chart *chart)
{
    struct axis axes[2] = {{INFINITY, -INFINITY, chart->x_log},
                           {INFINITY, -INFINITY, chart->y_log}};
    for (unsigned i = 0; i < chart->n; i++)
        for (unsigned p = 0; p < chart->series[i].n; p++) {
            include(&axes[0], chart->series[i].x[p]);
            include(&axes[1], chart->series[i].y[p]);
        }
    if (!axes[0].log || axes[0].most > 1000)
        round_axis(&axes[0]);
    round_axis(&axes[1]);
    write_titles(file, chart);
    write_x_ticks(file, &axes[0], &chart->series[0]);
    write_ticks(file, &axes[1], y_tick);
    for (unsigned i = 0; i < chart->n; i++)
        write_curve(file, chart, i, axes);
    fprintf(file, "</svg>\n");
}

bool svg_write(const struct svg_chart *chart, const char *path)
{
    FILE *file = fopen(path, "w");
    bool points = chart->n > 0 && chart->series[0].n > 0;
    if (file && points)
        write_chart(file, chart);
    bool ok = file && points && !ferror(file);
    if (file && fclose(file) != 0)
        ok = false;
    if (!ok)
        fprintf(stderr, "%s: %s\n", path, points ? strerror(errno) : "no points");
    return ok;
}

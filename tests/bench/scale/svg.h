/* svg.h - a chart of curves as a small SVG. */
#ifndef SCALE_SVG_H
#define SCALE_SVG_H

#include <stdbool.h>

enum { SVG_SERIES = 12, SVG_POINTS = 32 };

struct svg_series {
    char name[64];
    double x[SVG_POINTS], y[SVG_POINTS];
    unsigned n;
};

struct svg_chart {
    const char *title, *x_title, *y_title;
    bool x_log, y_log;
    struct svg_series series[SVG_SERIES];
    unsigned n;
};

/* Begins a curve; returns its number. Beyond SVG_SERIES all are the last. */
unsigned svg_series(struct svg_chart *chart, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void svg_add(struct svg_chart *chart, unsigned series, double x, double y);
/* False: the file cannot be written; it has said why. */
bool svg_write(const struct svg_chart *chart, const char *path);

#endif

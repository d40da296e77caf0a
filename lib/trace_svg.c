/* Runs in: program.
 *
 * A trace as a picture: a row for each worker with its runs over the band of its life, and below
 * them the queue and the memory as they change. It needs nothing from elsewhere. The <title> of a
 * run is what a browser shows when the pointer rests on it.
 */
#include "trace_svg.h"

#include <stdio.h>
#include <string.h>

/* ---- the frame ---- */

static const char style[] =
    "<style>\n"
    "text{font:12px system-ui,sans-serif;fill:#333}\n"
    ".small{font-size:11px;fill:#666}.head{font-size:15px;font-weight:600}\n"
    ".in{font-size:11px;fill:#fff;pointer-events:none}\n"
    ".grid{stroke:#e6e6e6}.life{fill:#f4f5f6}.sleep{fill:#e3e7ea}\n"
    ".done{fill:#1b8a5a}.failed{fill:#d98a00}.lost{fill:#c62f2f}.late{fill:#8d4fa8}\n"
    ".cancelled{fill:#8a8f94}.running{fill:#3d7dca}\n"
    ".run{stroke:#fff;stroke-width:.5}.run:hover{stroke:#000;stroke-width:1}\n"
    ".queue{fill:#bcd3ee;stroke:#3d7dca}.memory{fill:#d5e8dd;stroke:#1b8a5a}\n"
    ".mark{stroke:#c62f2f;stroke-width:2;fill:none}.start{stroke:#1b8a5a;stroke-width:2}\n"
    "</style>\n";

/* A round number of nanoseconds, of which about ten fit. */
static uint64_t step_of(uint64_t span)
{
    uint64_t step = 1;
    while (step < span / 12) {
        if (step * 2 >= span / 12)
            return step * 2;
        if (step * 5 >= span / 12)
            return step * 5;
        step *= 10;
    }
    return step;
}

static void draw_axis(const struct pi_picture *p)
{
    uint64_t step = step_of(p->span);
    int bottom = p->charts + 2 * CHART + CHART_GAP;
    char time[32];
    for (uint64_t ns = 0; ns <= p->span; ns += step) {
        uint64_t x = pi_x_of(p, p->trace->began + ns);
        pi_text_add(p->text, "<path class=\"grid\" d=\"M" FIXED " %dV%d\"/>", OF_FIXED(x), TOP - 6,
                    bottom);
        pi_text_add(p->text,
                    "<text class=\"small\" text-anchor=\"middle\" x=\"" FIXED "\" y=\"%d\">"
                    "%s</text>\n",
                    OF_FIXED(x), TOP - 12, pi_trace_time(ns, time));
    }
}

static void draw_head(const struct pi_picture *p, const posse_executor *e)
{
    size_t runs = 0;
    char time[32];
    for (size_t i = 0; i < p->trace->n; i++)
        runs += p->trace->events[i].kind == PI_TRACE_RUN;
    pi_text_add(p->text, "<text class=\"head\" x=\"%d\" y=\"26\">", LEFT);
    pi_text_add_xml(p->text, e->hooks.name);
    pi_text_add(p->text, ": runs %zu, workers %u, %s</text>", runs, p->trace->workers,
                pi_trace_time(p->span, time));
    if (p->trace->dropped > 0)
        pi_text_add(p->text,
                    "<text class=\"small\" text-anchor=\"end\" x=\"%d\" y=\"26\">"
                    "events that are lacking: %llu</text>",
                    LEFT + WIDTH, (unsigned long long)p->trace->dropped);
    pi_text_add(p->text, "\n");
}

static void draw_legend(const struct pi_picture *p)
{
    static const struct {
        const char *class, *words;
    } kinds[] = {{"done", "done"},           {"failed", "failed"},
                 {"lost", "lost"},           {"late", "timed out, or over a limit"},
                 {"cancelled", "cancelled"}, {"running", "still running"},
                 {"sleep", "worker sleeps"}, {NULL, NULL}};
    int x = LEFT;
    for (int i = 0; kinds[i].words; i++) {
        pi_text_add(p->text,
                    "<rect class=\"%s\" x=\"%d\" y=\"40\" width=\"12\" height=\"12\"/>"
                    "<text class=\"small\" x=\"%d\" y=\"50\">%s</text>",
                    kinds[i].class, x, x + 17, kinds[i].words);
        x += i == 3 ? 190 : 105;
    }
    pi_text_add(p->text, "\n");
}

/* ---- workers ---- */

static void draw_life(const struct pi_picture *p, unsigned worker, uint64_t from, uint64_t to)
{
    pi_text_add(p->text,
                "<rect class=\"life\" x=\"" FIXED "\" y=\"%d\" width=\"" FIXED "\" height=\"%d\"/>",
                OF_FIXED(pi_x_of(p, from)), pi_y_of(worker),
                OF_FIXED(pi_x_of(p, to) - pi_x_of(p, from)), BAR);
}

/* The bands of their lives: from the start to the end, as far as these are in the trace. */
static void draw_lives(const struct pi_picture *p)
{
    const struct pi_trace *trace = p->trace;
    for (unsigned worker = 0; worker < trace->workers; worker++)
        trace->rows[worker].from = trace->began;
    for (size_t i = 0; i < trace->n; i++) {
        const struct pi_trace_event *event = &trace->events[i];
        uint64_t *from = &trace->rows[event->worker].from;
        if (event->kind == PI_TRACE_END && *from)
            draw_life(p, event->worker, *from, event->at);
        if (event->kind == PI_TRACE_END || event->kind == PI_TRACE_START)
            *from = event->kind == PI_TRACE_START ? event->at : 0;
    }
    for (unsigned worker = 0; worker < trace->workers; worker++)
        if (trace->rows[worker].from)
            draw_life(p, worker, trace->rows[worker].from, trace->ended);
}

static void draw_names(const struct pi_picture *p)
{
    for (unsigned worker = 0; worker < p->trace->workers; worker++)
        pi_text_add(p->text, "<text text-anchor=\"end\" x=\"%d\" y=\"%d\">worker %u</text>\n",
                    LEFT - 10, pi_y_of(worker) + BAR - 6, worker);
}

static const char *class_of(const struct pi_trace_event *run)
{
    switch (run->state) {
    case PI_DONE: return "done";
    case PI_FAILED: return "failed";
    case PI_CANCELLED: return "cancelled";
    case PI_TIMED_OUT: return "late";
    case PI_RUNNING: return "running";
    default: return "lost";
    }
}

static void begin_bar(const struct pi_picture *p, const struct pi_trace_event *event,
                      const char *class)
{
    uint64_t x = pi_x_of(p, event->began), width = pi_x_of(p, event->at) - x;
    int lower = (int)event->depth * NESTED < BAR - 6 ? (int)event->depth * NESTED : BAR - 6;
    pi_text_add(p->text,
                "<rect class=\"%s\" x=\"" FIXED "\" y=\"%d\" width=\"" FIXED "\" height=\"%d\">",
                class, OF_FIXED(x), pi_y_of(event->worker) + lower,
                OF_FIXED(width < 60 ? 60 : width), BAR - lower);
}

/* The name, if some of it fits. */
static void label(const struct pi_picture *p, const struct pi_trace_event *run)
{
    uint64_t x = pi_x_of(p, run->began), width = pi_x_of(p, run->at) - x;
    char name[PI_NAME_SIZE];
    int fits = (int)(width / 650) - 1, length = (int)strlen(run->name); /* letters */
    if (fits < 3 || run->depth > 1)
        return;
    while (fits > 0 && fits < length && (run->name[fits] & 0xc0) == 0x80)
        fits--; /* a letter is whole, or not there */
    snprintf(name, sizeof name, "%.*s", fits, run->name);
    pi_text_add(p->text, "<text class=\"in\" x=\"" FIXED "\" y=\"%d\">", OF_FIXED(x + 400),
                pi_y_of(run->worker) + BAR - 7 + (int)run->depth);
    pi_text_add_xml(p->text, name);
    pi_text_add(p->text, "</text>");
}

static void draw_run(const struct pi_picture *p, const struct pi_trace_event *run)
{
    char class[32], waited[32], ran[32];
    snprintf(class, sizeof class, "run %s", class_of(run));
    begin_bar(p, run, class);
    pi_text_add(p->text, "<title>");
    pi_text_add_xml(p->text, run->name);
    pi_text_add(p->text, ": %s\nwaited %s, ran %s\nattempt %u, worker %u, slot %u, pid %u",
                pi_trace_outcome(run), pi_trace_time(run->began - run->submitted, waited),
                pi_trace_time(run->at - run->began, ran), run->attempt, run->worker, run->slot,
                pi_trace_pid(run->value[1]));
    if (run->state == PI_LOST)
        pi_text_add(p->text, ", signal %d, exit code %d", pi_trace_signal(run->value[1]),
                    pi_trace_exit_code(run->value[1]));
    pi_text_add(p->text, "</title></rect>");
    label(p, run);
    pi_text_add(p->text, "\n");
}

static void draw_sleep(const struct pi_picture *p, const struct pi_trace_event *event)
{
    char time[32];
    begin_bar(p, event, "sleep");
    pi_text_add(p->text, "<title>sleeps, %s</title></rect>\n",
                pi_trace_time(event->at - event->began, time));
}

/* A start is a green line, an end a red cross if the worker died, a kill or a deadline a wedge. */
static void draw_mark(const struct pi_picture *p, const struct pi_trace_event *event)
{
    uint64_t x = pi_x_of(p, event->at);
    int y = pi_y_of(event->worker), signal = (int)(event->value[1] >> 32);
    int code = (int)(uint32_t)event->value[1];
    long pid = (long)event->value[0];
    if (event->kind == PI_TRACE_START)
        pi_text_add(p->text,
                    "<path class=\"start\" d=\"M" FIXED " %dv%d\"><title>worker starts, pid "
                    "%ld</title></path>\n",
                    OF_FIXED(x), y - 2, BAR + 4, pid);
    else if (event->kind == PI_TRACE_END && (signal || code > 0))
        pi_text_add(p->text,
                    "<path class=\"mark\" d=\"M" FIXED " %dl8 8m0 -8l-8 8\"><title>worker dies, "
                    "pid %ld, signal %d, exit code %d</title></path>\n",
                    OF_FIXED(x - 400), y + 7, pid, signal, code);
    else if (event->kind != PI_TRACE_END)
        pi_text_add(p->text,
                    "<path class=\"mark\" d=\"M" FIXED " %dl4 6l4 -6z\"><title>%s</title></path>\n",
                    OF_FIXED(x - 400), y - 7,
                    event->kind == PI_TRACE_KILL ? "worker is killed" : "deadline");
}

/* Marks lie over all bars. */
static void draw_events(const struct pi_picture *p)
{
    for (size_t i = 0; i < p->trace->n; i++) {
        const struct pi_trace_event *event = &p->trace->events[i];
        if (event->kind == PI_TRACE_RUN)
            draw_run(p, event);
        else if (event->kind == PI_TRACE_SLEEP)
            draw_sleep(p, event);
    }
    for (size_t i = 0; i < p->trace->n; i++)
        if (p->trace->events[i].kind >= PI_TRACE_START)
            draw_mark(p, &p->trace->events[i]);
}

void pi_trace_svg(posse_executor *e, const struct pi_trace *trace, struct pi_text *text)
{
    uint64_t span = trace->ended - trace->began;
    struct pi_picture p = {trace, text, span ? span : 1, pi_y_of(trace->workers) + CHART_GAP};
    int width = LEFT + WIDTH + RIGHT, height = p.charts + 2 * CHART + CHART_GAP + 20;
    pi_text_add(text,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                "viewBox=\"0 0 %d %d\">\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
                width, height, width, height, width, height);
    pi_text_put(text, style, sizeof style - 1);
    draw_head(&p, e);
    draw_legend(&p);
    draw_lives(&p);
    draw_names(&p);
    draw_axis(&p);
    draw_events(&p);
    pi_trace_charts(&p);
    pi_text_add(text, "</svg>\n");
}

/* Runs in: program.
 *
 * A trace in the trace event format, which Perfetto and chrome://tracing read: an object with an
 * array of events. A worker is a thread of the program there, whose number is 1 + the worker's.
 * Times are microseconds since the trace began.
 */
#include "trace.h"

#define US(ns) (unsigned long long)((ns) / 1000), (unsigned)((ns) % 1000)

static void begin(struct pi_text *text, const char *phase, unsigned thread, uint64_t ns)
{
    pi_text_add(text, ",\n{\"ph\":\"%s\",\"pid\":1,\"tid\":%u,\"ts\":%llu.%03u", phase, thread,
                US(ns));
}

static void add_thread(struct pi_text *text, unsigned worker)
{
    pi_text_add(text,
                ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\","
                "\"args\":{\"name\":\"worker %u\"}}",
                worker + 1, worker);
}

static void add_run(const struct pi_trace *trace, const struct pi_trace_event *event,
                    struct pi_text *text)
{
    /* of enum pi_state, from RUNNING to LOST: names of colours there */
    static const char *const colours[] = {
        "thread_state_running", "grey", "good", "bad", "grey", "terrible", "terrible"};
    bool again = event->state == PI_PENDING;
    begin(text, "X", event->worker + 1, event->began - trace->began);
    pi_text_add(text, ",\"dur\":%llu.%03u,\"cat\":\"task\",\"cname\":\"%s\",\"name\":\"",
                US(event->at - event->began), colours[again ? 6 : event->state - PI_RUNNING]);
    pi_text_add_json(text, event->name);
    pi_text_add(text,
                "\",\"args\":{\"outcome\":\"%s\",\"waited_us\":%llu.%03u,\"attempt\":%u,"
                "\"slot\":%u,\"generation\":%u,\"pid\":%u",
                pi_trace_outcome(event), US(event->began - event->submitted), event->attempt,
                event->slot, event->generation, pi_trace_pid(event->value[1]));
    if (event->state == PI_LOST)
        pi_text_add(text, ",\"signal\":%d,\"exit_code\":%d", pi_trace_signal(event->value[1]),
                    pi_trace_exit_code(event->value[1]));
    pi_text_add(text, "}}");
}

static void add_counters(struct pi_text *text, uint64_t ns, const uint64_t value[2])
{
    begin(text, "C", 0, ns);
    pi_text_add(text, ",\"name\":\"queue\",\"args\":{\"tasks\":%llu}}",
                (unsigned long long)value[0]);
    begin(text, "C", 0, ns);
    pi_text_add(text, ",\"name\":\"memory\",\"args\":{\"bytes\":%llu}}",
                (unsigned long long)value[1]);
}

static void add_instant(struct pi_text *text, const struct pi_trace_event *event, uint64_t ns,
                        const char *name)
{
    begin(text, "i", event->worker + 1, ns);
    pi_text_add(text, ",\"s\":\"t\",\"cat\":\"worker\",\"name\":\"%s\",\"args\":{\"pid\":%lld",
                name, (long long)event->value[0]);
    if (event->kind == PI_TRACE_END)
        pi_text_add(text, ",\"signal\":%d,\"exit_code\":%d", (int)(event->value[1] >> 32),
                    (int)(uint32_t)event->value[1]);
    pi_text_add(text, "}}");
}

static void add_event(const struct pi_trace *trace, const struct pi_trace_event *event,
                      struct pi_text *text)
{
    uint64_t ns = event->began - trace->began;
    switch (event->kind) {
    case PI_TRACE_RUN: add_run(trace, event, text); break;
    case PI_TRACE_SLEEP:
        begin(text, "X", event->worker + 1, ns);
        pi_text_add(text,
                    ",\"dur\":%llu.%03u,\"cat\":\"sleep\",\"cname\":\"white\","
                    "\"name\":\"sleeps\",\"args\":{}}",
                    US(event->at - event->began));
        break;
    case PI_TRACE_COUNTERS: add_counters(text, ns, event->value); break;
    case PI_TRACE_START: add_instant(text, event, ns, "worker starts"); break;
    case PI_TRACE_END: add_instant(text, event, ns, "worker ends"); break;
    case PI_TRACE_KILL: add_instant(text, event, ns, "worker is killed"); break;
    case PI_TRACE_DEADLINE: add_instant(text, event, ns, "deadline"); break;
    default: break;
    }
}

void pi_trace_json(posse_executor *e, const struct pi_trace *trace, struct pi_text *text)
{
    pi_text_add(text,
                "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"dropped\":\"%llu\"},"
                "\"traceEvents\":[\n"
                "{\"ph\":\"M\",\"pid\":1,\"tid\":0,\"name\":\"process_name\",\"args\":{\"name\":\"",
                (unsigned long long)trace->dropped);
    pi_text_add_json(text, e->hooks.name);
    pi_text_add(text, "\"}}");
    for (unsigned worker = 0; worker < trace->workers; worker++)
        add_thread(text, worker);
    for (size_t i = 0; i < trace->n; i++)
        add_event(trace, &trace->events[i], text);
    pi_text_add(text, "\n]}\n");
}

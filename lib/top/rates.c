/* Runs in: posse-top. */
#include "top/rates.h"

static double per_second(uint64_t before, uint64_t now, uint64_t ns)
{
    /* A worker that died has taken its count with it; a task may have overwritten it. */
    if (ns == 0 || now < before)
        return PI_TOP_UNKNOWN;
    return (double)(now - before) * (double)PI_SECOND / (double)ns;
}

static uint64_t ended(const struct pi_top_sample *sample)
{
    const posse_stats *stats = &sample->stats;
    return stats->done + stats->failed + stats->timed_out;
}

static const struct pi_top_worker *find_worker(const struct pi_top_sample *sample, unsigned number)
{
    for (unsigned i = 0; i < sample->n_workers; i++)
        if (sample->workers[i].number == number)
            return &sample->workers[i];
    return NULL;
}

/* A task that ran at the look before has been running for longer than the time between. */
static void compare_task(const struct pi_top_task *before, struct pi_top_task *now, uint64_t ns)
{
    if (!now->there || now->running_ns || !before->there || before->slot != now->slot ||
        before->generation != now->generation || before->attempt != now->attempt)
        return;
    now->running_ns = before->running_ns + ns;
    now->longer = true;
}

static void compare_worker(const struct pi_top_worker *before, struct pi_top_worker *now,
                           uint64_t ns)
{
    now->ended_per_s = per_second(before->ended, now->ended, ns);
    compare_task(&before->task, &now->task, ns);
    if (!now->process.pid || before->process.pid != now->process.pid ||
        before->process.start != now->process.start)
        return;
    double used = per_second(before->process.cpu, now->process.cpu, ns);
    now->cpu_percent = used < 0 ? PI_TOP_UNKNOWN : used * 100 / (double)PI_SECOND;
}

static void compare_sample(const struct pi_top_sample *before, struct pi_top_sample *now,
                           uint64_t ns)
{
    now->ended_per_s = per_second(ended(before), ended(now), ns);
    now->cpu_percent = 0;
    for (unsigned i = 0; i < now->n_workers; i++) {
        const struct pi_top_worker *old = find_worker(before, now->workers[i].number);
        if (old)
            compare_worker(old, &now->workers[i], ns);
        if (now->workers[i].cpu_percent > 0)
            now->cpu_percent += now->workers[i].cpu_percent;
    }
}

void pi_top_compare(const struct pi_top_round *before, struct pi_top_round *now)
{
    for (unsigned i = 0; i < now->count; i++)
        for (unsigned k = 0; k < before->count; k++)
            if (before->samples[k].inode == now->samples[i].inode)
                compare_sample(&before->samples[k], &now->samples[i], now->now_ns - before->now_ns);
}

const struct pi_top_worker *pi_top_oldest(const struct pi_top_sample *sample)
{
    const struct pi_top_worker *oldest = NULL;
    for (unsigned i = 0; i < sample->n_workers; i++) {
        const struct pi_top_worker *worker = &sample->workers[i];
        if (worker->task.running_ns &&
            (!oldest || worker->task.running_ns > oldest->task.running_ns))
            oldest = worker;
    }
    return oldest;
}

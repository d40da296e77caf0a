/* left_out.h - single tests of behaviour that are not run with agents, and why. Whole files are in
 * tests/remote/README.md. */
#pragma once

#define LOCAL "it kills or counts processes of its own machine: a task's are its agent's"
#define SHARED "a task uses memory or a descriptor of the program, which an agent does not have"
#define OWN "a task uses a function, a future or the executor of the program by its address"
#define NESTED "what a task submits runs in its agent: the program does not wait for it"
#define RESIZE "it needs more places than there are agents for"
#define COUNTS "the agent replaces the worker: the program's own has not died, and is not counted"
#define WORDS "the message names the node, too"
#define NUMBERS "executors of an agent have numbers of their own"
#define LATE "what a task tells, or is asked, is on its way for some milliseconds"
#define LARGER "the feed of a task holds up to twice as much"
#define REFUSED "posse_remote_create refuses the option"
#define BROADCAST "posse_broadcast is not supported"
#define TERMINATE "a job with POSSE_TERMINATE is not supported"
#define SLOW "thousands of pools and maps take minutes"

static const struct {
    const char *file, *test, *why;
} left_out[] = {
    {"names", "S13_default_names", NUMBERS},
    {"many_broken", "one_of_two_pools_breaks", SHARED},
    {"progress", "of_a_killed_task", LATE},
    {"break", "supervisor_dies", LOCAL},
    {"callback_ends", "supervisor_killed", LOCAL},
    {"completions", "supervisor_killed", LOCAL},
    {"create", "most_workers", RESIZE},
    {"deadline", "inner_deadline", OWN},
    {"destroy", "S16_processes_are_joined", LOCAL},
    {"destroy", "S17_destroy_kills_processes", LOCAL},
    {"draining", "submitted_while_the_last_one_leaves", SHARED},
    {"encoding", "D02_exit_at_task_decode", COUNTS},
    {"encoding", "D04_crash_at_task_decode", COUNTS},
    {"encoding", "D08_crash_during_result_encode", COUNTS},
    {"encoding", "D09_exit_during_result_encode", COUNTS},
    {"force", "P24_ignored_sigterm", LOCAL},
    {"force", "P24_kill_after_terminate", LOCAL},
    {"grace", "asked_before_the_deadline", LATE},
    {"grace", "the_shorter_of_two", OWN},
    {"handed_over", "memory_outlives_the_workers", SHARED},
    {"histograms", "processor_time", LOCAL},
    {"hostile", "jumps_out_into_the_task_that_waits", OWN},
    {"info", "result", LOCAL},
    {"info", "tried_again", LOCAL},
    {"initializer", "IP03_initializer_before_tasks", SHARED},
    {"initializer", "finalizer_after_destroy", SHARED},
    {"initializer", "initializer_and_finalizer", SHARED},
    {"left_behind", "memory_of_a_destroyed_executor", SHARED},
    {"limits", "inner_task_has_its_own", OWN},
    {"limits", "inner_task_is_not_limited", OWN},
    {"limits", "refused_with_autopsy", REFUSED},
    {"log", "a_late_task", COUNTS},
    {"log", "a_lost_worker", LOCAL},
    {"log", "the_task_of_a_lost_worker", COUNTS},
    {"log", "a_lost_worker_without_a_task", LOCAL},
    {"log", "a_slow_log", LOCAL},
    {"log", "many", OWN},
    {"many_broken", "polls_see_a_broken_pool", LOCAL},
    {"many_ends", "one_of_two_breaks", LOCAL},
    {"many_ends", "supervisor_killed", LOCAL},
    {"many_nested", "deadline_in_next", OWN},
    {"many_nested", "helps_while_others_wait", OWN},
    {"many_nested", "runs_no_stranger", OWN},
    {"many_nested", "waits_for_itself", OWN},
    {"map", "each_item_once", SLOW},
    {"map_arg", "used_in_place", SHARED},
    {"map_arg_losses", "after_the_death_of_the_caller", OWN},
    {"map_company", "destroyed_meanwhile", SHARED},
    {"map_company", "resized_before", RESIZE},
    {"map_ends", "close_does_not_wait_for_copies", SHARED},
    {"map_ends", "close_waits_for_memory_in_place", SHARED},
    {"map_losses", "map_broken_pool", LOCAL},
    {"map_outputs", "broken", LOCAL},
    {"map_place", "in_place", SHARED},
    {"map_split_ends", "broken_while_a_half_runs_again", LOCAL},
    {"map_split_ends", "in_a_task", OWN},
    {"messages", "ends_as_it_waits", LARGER},
    {"messages", "no_room_in_time", LARGER},
    {"messages", "of_any_size", LARGER},
    {"named", "lost", WORDS},
    {"names", "IP24_prefix_of_each_pool", RESIZE},
    {"nested", "executor", OWN},
    {"nested", "other_pool", OWN},
    {"nested", "waits_for_itself", OWN},
    {"priority_queue", "memory_comes_and_goes", SHARED},
    {"progress", "while_it_runs_and_after", LATE},
    {"recycle", "P12_max_tasks_per_worker", COUNTS},
    {"recycle", "killed_while_recycling", COUNTS},
    {"recycle", "nested_tasks", COUNTS},
    {"recycle", "what_was_forgotten_is_free", SHARED},
    {"recycle", "what_was_given_stays", SHARED},
    {"resize", "by_a_task", RESIZE},
    {"resize", "loky_kill_after_resize", RESIZE},
    {"resize", "loky_resize", RESIZE},
    {"resize", "on_demand_grows_on_demand", RESIZE},
    {"resize", "saturation_after_resize", RESIZE},
    {"shutdown", "by_a_task", OWN},
    {"signals", "a_write_to_a_closed_socket_fails", SHARED},
    {"signals", "ignored_signals_stay_ignored", LOCAL},
    {"task_group", "claimed_out_of_turn", OWN},
    {"timeline", "ends_in_its_grace", TERMINATE},
    {"timeline", "lost", LOCAL},
    {"woken", "death_seen_by_short_waits", LOCAL},
    {"woken", "death_seen_without_waiting", LOCAL},
    {"woken", "room_made_by_a_task_that_waits", OWN},
    {"wait_idle", "what_tasks_submit_counts", NESTED},
    {"workers", "IP04_global", SHARED},
    {"unfit", "after_a_broadcast", BROADCAST},
};

/* thrower.h - what is written in C++ (thrower.cpp), for a test in C. */
#ifndef THROWER_H
#define THROWER_H

#include <posse.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All throw. */
int throw_task(posse_task *task, const void *arg, size_t size);
int throw_item(posse_task *task, const void *const *items, void *result);
posse_status throw_source(void *context, void *const *elements);
int throw_call(posse_future future, void *context);
void throw_log(void *context, const struct posse_log_record *record);

/* Whether what is called here lets one of these exceptions through; it is caught. */
bool throws(void (*call)(void *context), void *context);

#ifdef __cplusplus
}
#endif

#endif

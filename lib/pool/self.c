/* Runs in: program, worker, supervisor. */
#include "pool/self.h"

_Thread_local struct pi_self *pi_self;
struct pi_task_memory *pi_own_memory;

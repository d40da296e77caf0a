/* Runs in: program, worker, supervisor. */
#include "pool/self.h"

_Thread_local struct pi_self *pi_self;

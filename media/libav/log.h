#ifndef ROOMCAST_LOG_H
#define ROOMCAST_LOG_H

#include <stdint.h>

// rc_log_install takes libav's log away from standard error. Idempotent.
void rc_log_install(void);

// rc_log_enter says whose the log lines of this thread are until rc_log_leave.
void rc_log_enter(uintptr_t scope);
void rc_log_leave(void);

#endif
